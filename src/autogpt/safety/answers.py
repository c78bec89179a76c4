"""What the rails say in place of a model, in the language of the user: refusals, and where help is.

The numbers were published by the services themselves (checked in 2025); they are for the countries
that are named, and findahelpline.com lists others. Nothing here judges why somebody asks.
"""

from __future__ import annotations

import re

__all__ = ["help_lines", "language", "refusal"]

_SCRIPTS = (
    ("ja", re.compile("[\u3040-\u30ff]")),
    ("ko", re.compile("[\uac00-\ud7af]")),
    ("zh", re.compile("[\u3400-\u4dbf\u4e00-\u9fff]")),
    ("ru", re.compile("[\u0400-\u04ff]")),
)
_WORDS = {
    "de": "ich nicht und mich mir ist will mehr leben der die das zu ein wie soll",
    "fr": "je veux ne pas plus me suis vie mon est le la les et un une comment des",
    "es": "yo quiero no me mi vida más estoy el los las y que cómo una por",
    "pt": "eu quero não me minha vida mais estou o os as e que como uma por",
    "it": "io voglio non mi mia vita più sono il lo gli e che come una per",
    "en": "i want to my me not the and is a of life how can you do don't am",
}
_WORD_SETS = {name: frozenset(words.split()) for name, words in _WORDS.items()}

_HELP = {
    "en": (
        "I'm really sorry that you are carrying this. You don't have to do it alone, and talking "
        "to someone now can help. If you may be in danger, call your emergency number (112, 911 "
        "or 999). In the US and Canada call or text 988; in the UK and Ireland call Samaritans on "
        "116 123; in Australia Lifeline on 13 11 14; elsewhere see https://findahelpline.com. "
        "If there is someone you trust near you, please tell them how you feel."
    ),
    "zh": (
        "听到你正在承受这些，我很难过。你不必独自面对，现在就和人谈一谈会有帮助。"
        "如果你有危险，请立即拨打 120 或 110。中国大陆全国统一心理援助热线：12356；"
        "香港撒玛利亚防止自杀会：2389 2222；台湾安心专线：1925；其他地区见 "
        "https://findahelpline.com。如果身边有你信任的人，请告诉他们你的感受。"
    ),
    "de": (
        "Es tut mir sehr leid, dass es dir so geht. Du musst das nicht allein tragen. Bei Gefahr "
        "wähle 112. Die TelefonSeelsorge ist kostenlos und rund um die Uhr erreichbar: "
        "0800 111 0 111 oder 116 123. Andere Länder: https://findahelpline.com."
    ),
    "fr": (
        "Je suis vraiment désolé que vous traversiez cela. Vous n'êtes pas seul. En cas de danger, "
        "appelez le 15 ou le 112. Le 3114, numéro national de prévention du suicide, répond "
        "gratuitement jour et nuit. Autres pays : https://findahelpline.com."
    ),
    "es": (
        "Siento mucho que estés pasando por esto. No tienes que llevarlo solo. Si hay peligro, "
        "llama al 112 o al 911. En España atiende el 024; en otros países: "
        "https://findahelpline.com."
    ),
    "pt": (
        "Sinto muito que esteja passando por isso. Não precisa enfrentar sozinho. Em perigo, ligue "
        "192 ou 112. No Brasil, o CVV atende pelo 188, dia e noite; outros países: "
        "https://findahelpline.com."
    ),
    "it": (
        "Mi dispiace molto che tu stia vivendo questo. Non devi affrontarlo da solo. In pericolo "
        "chiama il 112. Telefono Amico Italia: 02 2327 2327; altri paesi: "
        "https://findahelpline.com."
    ),
    "ja": (
        "とてもつらい思いをされているのですね。ひとりで抱え込まないでください。危険なときは 119 へ。"
        "よりそいホットライン 0120-279-338（24時間・無料）、その他の国は "
        "https://findahelpline.com をご覧ください。"
    ),
    "ko": (
        "많이 힘드셨겠어요. 혼자 견디지 않으셔도 됩니다. 위험할 때는 119, 자살예방 상담전화는 109"
        "(24시간)입니다. 다른 나라: https://findahelpline.com."
    ),
    "ru": (
        "Мне очень жаль, что вам так тяжело. Вы не обязаны справляться в одиночку. При опасности "
        "звоните 112. Службы помощи по странам: https://findahelpline.com."
    ),
}

_REFUSAL = {
    "en": "I can't help with that: a safety rail stopped it ({}).",
    "zh": "这个请求被安全规则拦下了（{}），我无法提供帮助。",
    "de": "Dabei kann ich nicht helfen: Eine Sicherheitsregel hat es angehalten ({}).",
    "fr": "Je ne peux pas vous aider : une règle de sécurité a arrêté cette demande ({}).",
    "es": "No puedo ayudar con eso: una regla de seguridad lo ha detenido ({}).",
    "ja": "このリクエストは安全ルールにより停止されました（{}）。",
}


def language(text: str) -> str:
    """Return the language of a text as a code; "en" where nothing speaks for another.

    By script, and for Latin letters by common words. Good enough to choose an answer's language.
    """
    for name, script in _SCRIPTS:
        if len(script.findall(text)) * 8 >= len(text.replace(" ", "")) > 0:
            return name
    words = re.findall(r"[^\W\d_]+(?:'[a-z]+)?", text.lower())
    found = {name: sum(word in known for word in words) for name, known in _WORD_SETS.items()}
    best = max(found, key=lambda name: (found[name], name == "en"))
    return best if found[best] else "en"


def help_lines(text: str) -> str:
    """Return where help is, in the language of ``text``."""
    return _HELP[language(text)]


def refusal(text: str, category: str) -> str:
    """Return one sentence that says no, in the language of ``text``."""
    return _REFUSAL.get(language(text), _REFUSAL["en"]).format(category)
