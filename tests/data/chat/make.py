"""Writes trl.jsonl.zst and snippets.jsonl: what transformers makes of chat templates.

    python make.py        # with transformers 5.24 and trl 1.16

Dates are 26 July 2024, as in levain.
"""

import datetime
import glob
import json
import os
import re
import subprocess

import transformers.utils.chat_template_utils as utils
import trl
from transformers import PreTrainedTokenizerFast

HERE = os.path.dirname(os.path.abspath(__file__))


class Day(datetime.datetime):
    @classmethod
    def now(cls, tz=None):
        return cls(2024, 7, 26)


utils.datetime = Day


def render(tok, template, case, masks):
    """The text, or what is wrong; and for a training template, which tokens the assistant writes."""
    given = dict(case.get("options", {}))
    given["add_generation_prompt"] = case.get("add_generation_prompt", False)
    try:
        text = tok.apply_chat_template(case["messages"], chat_template=template, tokenize=False, **given)
    except Exception as error:
        return {"error": f"{type(error).__name__}: {error}"}
    # halves of surrogates that meet
    found = {"text": text.encode("utf-16", "surrogatepass").decode("utf-16")}
    if masks:
        given["add_generation_prompt"] = False
        done = tok.apply_chat_template(
            case["messages"], chat_template=template, tokenize=True, return_dict=True, return_assistant_tokens_mask=True, **given
        )
        found["mask"] = "".join(map(str, done["assistant_masks"]))
    return found


def main():
    with open(f"{HERE}/conversations.json") as file:
        cases = json.load(file)
    of_snippets = cases.pop("snippets")
    tok = PreTrainedTokenizerFast.from_pretrained(f"{HERE}/../token/smollm2")
    lines = []
    for path in sorted(glob.glob(f"{os.path.dirname(trl.__file__)}/chat_templates/*.jinja")):
        with open(path) as file:
            template = file.read()
        masks = re.search(r"\{%-?\s*generation\s*-?%\}", template) is not None
        expect = {name: render(tok, template, case, masks) for name, case in cases.items()}
        lines.append({"name": os.path.basename(path), "template": template, "expect": expect})
    text = "".join(json.dumps(line, ensure_ascii=False) + "\n" for line in lines)
    subprocess.run(["zstd", "-q", "-f", "-19", "-o", f"{HERE}/trl.jsonl.zst"], input=text.encode(), check=True)

    with open(f"{HERE}/snippets.jinja") as file:
        snippets = re.split(r"\n(?=\{[{%#])", file.read().strip("\n"))
    with open(f"{HERE}/snippets.jsonl", "w") as file:
        for snippet in snippets:
            expect = render(tok, snippet, of_snippets, False)
            file.write(json.dumps({"template": snippet, **expect}, ensure_ascii=False) + "\n")


if __name__ == "__main__":
    main()
