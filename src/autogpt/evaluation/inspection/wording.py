"""The words of an inspection, in English and Chinese; the terminal takes one, the page both.

Each says what the reader sees and what it means, without a word that is explained nowhere. The
Chinese is written, not translated word by word.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Literal, get_args

__all__ = ["LANGUAGES", "WORDS", "Language", "preferred_language"]

Language = Literal["en", "zh"]
LANGUAGES: tuple[Language, ...] = get_args(Language)


def preferred_language(environment: Mapping[str, str] | None = None) -> Language:
    """Return the language that the system's locale asks for: Chinese, or else English."""
    values = os.environ if environment is None else environment
    for name in ("LC_ALL", "LC_MESSAGES", "LANG"):  # in the order of POSIX
        if values.get(name):
            return "zh" if values[name].lower().startswith("zh") else "en"
    return "en"


_EN: dict[str, str] = {
    "title": "Inside the model",
    "lead": "What {model} made of this text, with the numbers of the forward pass itself.",
    "facts": (
        "{parameters} parameters in {layers} layers, each with {heads} attention heads "
        "({key_value_heads} of them hold keys and values), {width} numbers a head; vocabulary "
        "{vocabulary}."
    ),
    "tokens": "1. The text becomes tokens",
    "tokens_about": (
        "A model reads numbers. The tokenizer cuts the text into pieces it knows; each has an id, "
        "and bytes that it stands for. The color says how surprised the model was."
    ),
    "tokens_hint": (
        "Point at a token: those that it takes something from light up. Click to keep it; the "
        "arrow keys move on."
    ),
    "token": "token",
    "id": "id",
    "bytes": "bytes",
    "place": "place",
    "surprise_bits": "surprise in bits",
    "rank": "rank",
    "expected": "expected instead",
    "first_token": "nothing comes before it",
    "attention": "2. Tokens look at tokens",
    "attention_about": (
        "In every layer, every head lets each token take from those before it, in shares that add "
        "up to 1. A row of the picture is the token that looks, a column what it looks at; darker "
        "is more."
    ),
    "layer": "layer",
    "head": "head",
    "all_heads": "all heads",
    "looks_at": "takes from",
    "kept_note": (
        "Of each row the {kept} largest shares are drawn; what a token takes beyond them is not "
        "shown."
    ),
    "habits": "Where each head looks, on average",
    "habits_about": (
        "Every square is a head; its color is the share of attention that goes to the first "
        "token, to the token itself, or to the one before."
    ),
    "on_first": "first token",
    "on_itself": "itself",
    "on_previous": "one before",
    "elsewhere": "elsewhere",
    "worked": "3. The formula, with its numbers",
    "worked_about": (
        "What {token} (place {place}) takes in layer {layer}, head {head}: its query is "
        "multiplied with the key of every token it may see, number by number; the sum of the "
        "{width} products is divided by √{width} and turned into shares by softmax; the values "
        "are mixed in these shares."
    ),
    "products": "first products q·k",
    "dot": "sum q·k",
    "score": "score",
    "exponential": "e^(score − {largest})",
    "share": "share",
    "value": "value v, first numbers",
    "rest": "{count} more",
    "sum": "sum",
    "output": "mixed, first numbers",
    "model_output": "in the model's own pass",
    "difference": "largest difference over all {width} numbers",
    "key_head": "Query head {head} reads key/value head {key_head}.",
    "positions": "4. How it knows the order",
    "rotary_about": (
        "Rotary positions: each query and key is turned, pair of numbers by pair, by an angle "
        "that grows with its place. The product of two depends on their distance alone. Fast "
        "pairs tell neighbors apart, slow ones far from near. At place {place}:"
    ),
    "learned_about": (
        "Learned positions: a vector for each place, trained like a weight, is added to the "
        "token's embedding. Of place {place}, the first numbers:"
    ),
    "sinusoidal_about": (
        "Sinusoidal positions: sines and cosines of the place are added to the token's embedding. "
        "Of place {place}, the first numbers:"
    ),
    "pair": "pair",
    "turn": "turn per token",
    "wavelength": "tokens to a full turn",
    "angle": "angle here",
    "lens": "5. What each layer would say",
    "lens_about": (
        "The logit lens: after every layer, the model's last norm and head are asked what comes "
        "next after {token} (place {place}), as if thinking ended there. From top to bottom the "
        "answer forms."
    ),
    "next": "6. The next word",
    "next_about": (
        "The model gives every token of its vocabulary a probability. Temperature makes the "
        "likely likelier (below 1) or less so (above); top-k keeps the k best, top-p the fewest "
        "that reach the share p together. What is left is drawn from."
    ),
    "logit": "logit",
    "model": "model",
    "temperature": "temperature {value}",
    "top_k": "top-k {value}",
    "top_p": "top-p {value}",
    "min_p": "min-p {value}",
    "left": "tokens left",
    "entropy": "entropy (bits)",
    "loss": "7. How wrong it was",
    "loss_about": (
        "Cross-entropy: each token costs −ln p, where p is what the model gave it before it came. "
        "The mean is the loss that training lowers."
    ),
    "loss_sum": (
        "({terms}) / {count} = {mean} nats a token; perplexity e^{mean} = {perplexity}; {bits} "
        "bits a byte."
    ),
    "loss_none": "A single token was expected by nothing, so there is no loss.",
    "cache": "8. What it has to remember",
    "cache_about": (
        "To go on without reading again, the key and the value of every token are kept in every "
        "layer: 2 × {layers} layers × {key_value_heads} heads × {width} numbers × {bytes} bytes = "
        "{per_token} a token."
    ),
    "cache_text": "this text",
    "cache_context": "the longest text, {context} tokens",
    "cache_unshared": "a token, if every query head had keys and values of its own",
    "made": "Made by autogpt inspect in {seconds} s; {dtype} on this machine.",
    "other_language": "中文",
    "no_script": "The pictures of this page are drawn by a script, which is switched off here.",
}

_ZH: dict[str, str] = {
    "title": "走进模型内部",
    "lead": "{model} 是怎样读这段文字的：下面都是前向计算中真实的数。",
    "facts": (
        "{parameters} 个参数，{layers} 层，每层 {heads} 个注意力头（其中 {key_value_heads} "
        "个保存键和值），每头 {width} 个数；词表 {vocabulary}。"
    ),
    "tokens": "1. 文字变成词元",
    "tokens_about": (
        "模型读的是数。分词器把文字切成它认识的小块（词元），每块有一个编号，对应若干字节。"
        "颜色表示模型有多意外。"
    ),
    "tokens_hint": (
        "把鼠标移到一个词元上：它从哪些词元取信息，哪些就亮起来。点一下固定，方向键移动。"
    ),
    "token": "词元",
    "id": "编号",
    "bytes": "字节",
    "place": "位置",
    "surprise_bits": "意外程度（比特）",
    "rank": "名次",
    "expected": "模型原本的猜测",
    "first_token": "前面没有文字",
    "attention": "2. 词元看词元",
    "attention_about": (
        "每一层的每个头，都让词元从它前面的词元那里取信息，份额加起来是 1。"
        "图中一行是正在看的词元，一列是被看的词元，颜色越深份额越大。"
    ),
    "layer": "层",
    "head": "头",
    "all_heads": "所有头的平均",
    "looks_at": "取自",
    "kept_note": "每行只画最大的 {kept} 份，其余没有画出。",
    "habits": "每个头平均看哪里",
    "habits_about": "一个方格是一个头；颜色是它看第一个词元、看自己、看前一个词元的份额。",
    "on_first": "第一个词元",
    "on_itself": "自己",
    "on_previous": "前一个",
    "elsewhere": "其他",
    "worked": "3. 公式，代入真实的数",
    "worked_about": (
        "在第 {layer} 层第 {head} 个头里，{token}（位置 {place}）取了什么：它的查询向量与它能看到的"
        "每个词元的键向量逐项相乘，{width} 个乘积之和除以 √{width}，再由 softmax 变成份额，"
        "最后按份额把值向量加起来。"
    ),
    "products": "前几个乘积 q·k",
    "dot": "和 q·k",
    "score": "得分",
    "exponential": "e^(得分 − {largest})",
    "share": "份额",
    "value": "值向量 v 的前几个数",
    "rest": "还有 {count} 个",
    "sum": "合计",
    "output": "混合结果的前几个数",
    "model_output": "模型自己算出的",
    "difference": "全部 {width} 个数中的最大差",
    "key_head": "查询头 {head} 读键值头 {key_head}。",
    "positions": "4. 怎样知道先后",
    "rotary_about": (
        "旋转位置编码：查询和键里的数两两一对，转过一个角度，位置越靠后转得越多；"
        "两者的乘积只取决于距离。转得快的对分辨相邻，转得慢的对分辨远近。在位置 {place}："
    ),
    "learned_about": (
        "学习得到的位置向量：每个位置一个，和权重一样训练出来，加在词元的向量上。"
        "位置 {place} 的前几个数："
    ),
    "sinusoidal_about": (
        "正弦位置编码：把位置的正弦和余弦加在词元的向量上。位置 {place} 的前几个数："
    ),
    "pair": "对",
    "turn": "每个词元转过",
    "wavelength": "转满一圈要多少词元",
    "angle": "此处的角度",
    "lens": "5. 每一层会怎么说",
    "lens_about": (
        "logit 透镜：每一层之后，都让模型的最后一个归一化和输出头回答“{token}（位置 {place}）后面"
        "是什么”，好像思考到此为止。从上到下，答案逐渐成形。"
    ),
    "next": "6. 下一个词",
    "next_about": (
        "模型给词表里每个词元一个概率。温度小于 1 让可能的更可能，大于 1 则相反；"
        "top-k 只留最好的 k 个，"
        "top-p 只留合起来达到 p 的最少几个；在剩下的里面抽一个。"
    ),
    "logit": "logit",
    "model": "模型",
    "temperature": "温度 {value}",
    "top_k": "top-k {value}",
    "top_p": "top-p {value}",
    "min_p": "min-p {value}",
    "left": "剩下的词元数",
    "entropy": "熵（比特）",
    "loss": "7. 它错了多少",
    "loss_about": (
        "交叉熵：每个词元的代价是 −ln p，p 是它出现之前模型给它的概率。平均值就是训练要降低的损失。"
    ),
    "loss_sum": (
        "({terms}) / {count} = 每个词元 {mean} 奈特；困惑度 e^{mean} = {perplexity}；"
        "每字节 {bits} 比特。"
    ),
    "loss_none": "只有一个词元，前面没有文字可以预测它，所以没有损失。",
    "cache": "8. 它要记住多少",
    "cache_about": (
        "往下写时不必重读，因为每一层都存着每个词元的键和值："
        "2 × {layers} 层 × {key_value_heads} 头 × "
        "{width} 个数 × {bytes} 字节 = 每个词元 {per_token}。"
    ),
    "cache_text": "这段文字",
    "cache_context": "最长的文字，{context} 个词元",
    "cache_unshared": "一个词元，如果每个查询头都有自己的键和值",
    "made": "autogpt inspect 用 {seconds} 秒算出；本机 {dtype}。",
    "other_language": "English",
    "no_script": "本页的图由脚本绘制，而脚本被禁用了。",
}

WORDS: dict[Language, dict[str, str]] = {"en": _EN, "zh": _ZH}
