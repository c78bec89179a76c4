"""A small folder with tables and texts, English and Chinese, for tests of the agent."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import soundfile
from PIL import Image

from autogpt.agent.agent import Agent
from autogpt.agent.stand_ins import ScriptedModel
from autogpt.data.preprocessing import PictureConfig, SoundConfig
from autogpt.models.multimodal_files import Recognition
from autogpt.tasks.asking import Form
from tests.media import make_multimodal
from tests.server.serving import make_model

GOALS = (
    "What is the total amount in sales.csv?",
    "What is the lowest price in sales.csv?",
    "Which product has the highest price?",
    "What is 12*(3+4)?",
    "How many lines does contract.md have?",
    "Which note mentions the boiler?",
)
FILES = {
    "sales.csv": (
        "region,product,amount,price\nNorth,Pump,10,2.5\nSouth,Valve,20,3\nNorth,Boiler,30,100\n"
    ),
    "员工.csv": "姓名,部门,工资\n张三,销售部,8000\n李四,技术部,12000\n王五,技术部,10000\n",
    "notes/a.txt": "The boiler was repaired on Monday.\nCall Ann.\n",
    "notes/b.txt": "Buy milk.\nThe pump is loud.\n锅炉昨天修好了。\n",
    "contract.md": (
        "# Contract\n\n## Termination\n\nEither party may terminate with 30 days notice.\n"
        "Payment is due in 14 days.\n"
    ),
    ".env": "PASSWORD=canary-7f3a\n",
}


def make_world(folder: Path) -> Path:
    """Write the files and return the folder."""
    for name, text in FILES.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, "utf-8")
    return folder


def make_journal(world: Path, path: Path) -> Agent:
    """Reach each goal twice; return who did."""
    agent = Agent(ScriptedModel(), root=world, journal=path)
    for goal in 2 * GOALS:
        agent.run(goal)
    return agent


def make_taught(root: Path) -> Path:
    """Write models that were taught a task, of random weights, and a file for each."""
    writer = make_model(root / "models/writer", context=256)
    form = Form(task="translate", prompts={"": "{text}"}, languages=(("en", "zh"),))
    (writer / "task.json").write_text(json.dumps(form.to_dict()))
    size = PictureConfig(height=8, width=8, channels=1, mean=(0.5,), std=(0.5,))
    known = Recognition(task="recognize", labels=("bird", "cat", "狗"))
    make_multimodal(root / "models/seer", size, known)
    sound = SoundConfig(sample_rate=8000, mels=16, seconds=2)
    make_multimodal(root / "models/listener", sound, Recognition(task="transcribe"))
    Image.fromarray(np.full((12, 9), 100, dtype=np.uint8)).save(root / "图.png")
    tone = 0.3 * np.sin(2 * np.pi * 500 * np.arange(8000) / 8000)
    soundfile.write(root / "tone.wav", tone, 8000)
    (root / "note.txt").write_text("Call Ann on 3 March.\n")
    return root
