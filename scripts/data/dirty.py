"""A dirty folder with known truth: python scripts/data/dirty.py (needs pyarrow) writes scripts/data/dirty/ and dirty-truth.jsonl.

The truth has a line for each row that can be read, in the order of `stream("scripts/data/dirty", #{ on_error: "skip", … })`: `fault`, the rule
that takes it out, or "" for one that stays; `text`, what it is when it is clean; `of`, the row that a duplicate is one of.
"""
import base64, json, pathlib, random
import pyarrow.parquet as pq

here = pathlib.Path(__file__).parent
rng = random.Random(22)
laws = [t for t in pq.read_table(here / "statutes.parquet").column("text").to_pylist() if 90 < len(t) < 220 and "\n" not in t and "—" not in t and "  " not in t]
passages = [" ".join(t.split()) for t in pq.read_table(here / "english.parquet").column("text").to_pylist()[:900]]
laws = rng.sample(laws, 24)
english = []
for text in rng.sample(passages, 24):
    sentences = text[:700].split(". ")
    english.append(". ".join(sentences[1:4] if len(sentences) > 4 else sentences[:3]).rstrip(".") + ".")
files, truth = {}, []


def row(name, given, fault="", text=None, **more):
    """A line of a .jsonl file."""
    files.setdefault(name, []).append(json.dumps({"text": given}, ensure_ascii=False))
    truth.append({"file": name, "fault": fault, "text": given if text is None else text, **more})


def broken(name, line):
    files.setdefault(name, []).append(line)


def changed(text, count):
    """A copy in which some characters, or words, are others."""
    units = list(text) if ord(text[0]) > 0x2fff else text.split(" ")
    for at in rng.sample(range(3, len(units) - 3), count):
        units[at] = "某" if ord(text[0]) > 0x2fff else "other"
    return ("" if ord(text[0]) > 0x2fff else " ").join(units)


# statutes in the encoding of Chinese Windows, the last two there before
for text in laws[:10]:
    row("1-statutes-gb18030.jsonl", text)
for at in (2, 5):
    row("1-statutes-gb18030.jsonl", laws[at], "unique", of=at)
# traditional characters in that of Taiwan
for text in ("為了保護公民的合法權益，維護社會的秩序，促進經濟的發展，制定本條例，自公布之日起施行。", "本公司對於客戶的資料應當妥善保管，不得向其他的人提供，但是法律另有規定的，從其規定。"):
    row("2-traditional-big5.jsonl", text)
# English as UTF-16 with a mark
for text in english[:8]:
    row("3-english-utf16.jsonl", text)
row("3-english-utf16.jsonl", english[3], "unique", of=len(truth) - 5)

# near duplicates
name = "4-mixed.jsonl"
first = {text: at for at, text in reversed(list(enumerate(t["text"] for t in truth)))}
for text in (laws[0], laws[3], laws[7], english[1], english[6]):
    row(name, changed(text, 1), "near_duplicates", of=first[text])
row(name, "\u3000" + laws[8].replace("，", "， ").replace("。", " 。"), "near_duplicates", of=first[laws[8]])
broken(name, '{"text": "a line that ends in the middle')
# texts read in the wrong encoding, which stay when they are mended
for text in ("Schöne Grüße aus München: das Gesetz über die Bücher ist für alle da, die es lesen möchten.", ):
    row(name, text.encode().decode("cp1252"), "language", text=text)
for text in (english[9].replace("'", "’") + " It’s the author’s own “naïve” café.", "The façade of the hôtel was like a déjà vu to the fiancée, and that is all that we have to say of it."):
    row(name, text.encode().decode("cp1252", "ignore") if "“" not in text else text.encode("utf-8").decode("latin-1"), text=text)
# what nobody sees, and wide letters
row(name, laws[11][:20] + "\u200b" + laws[11][20:40] + "\ufeff" + laws[11][40:], text=laws[11])
row(name, english[10][:50] + "\u0007" + english[10][50:] + " \r\n\r\n", text=english[10])
wide = lambda text: "".join(chr(ord(c) + 0xfee0) if c.isascii() and c.isalnum() else c for c in text)
row(name, laws[12] + "依照ＧＢ１２３４５的规定执行。", text=laws[12] + "依照GB12345的规定执行。")
# personal data
row(name, laws[13] + "联系人的邮箱是zhang.san@example.cn，手机13800138000。", text=laws[13] + "联系人的邮箱是<EMAIL>，手机<PHONE>。", masked=2)
row(name, laws[14] + "身份证号为11010519491231002X的人应当到场。", text=laws[14] + "身份证号为<CHINESE_ID>的人应当到场。", masked=1)
row(name, english[11] + " Pay to DE89 3704 0044 0532 0130 00 or by card 4111 1111 1111 1111 from 93.184.216.34.", text=english[11] + " Pay to <IBAN> or by card <CARD> from <IP>.", masked=3)
# numbers that only look like it
row(name, english[12] + " See order 4111111111111112 of 2024-01-15 in version 1.2.3.4.")
broken(name, "not json at all")
# other languages
for text in ("Все люди рождаются свободными и равными в своем достоинстве и правах. Они наделены разумом и совестью.",
             "すべての人間は、生まれながらにして自由であり、かつ、尊厳と権利とについて平等である。人間は、理性と良心とを授けられている。",
             "Tous les êtres humains naissent libres et égaux en dignité et en droits. Ils sont doués de raison et de conscience.",
             "모든 인간은 태어날 때부터 자유로우며 그 존엄과 권리에 있어 동등하다. 인간은 천부적으로 이성과 양심을 부여받았다."):
    row(name, text, "language")
# noise, by the rule that it breaks
row(name, "Home | News | Sport", "gopher_words")
row(name, "目录", "gopher_words")
row(name, "", "gopher_words")
row(name, english[13][:150] + "\ufffd" * 9, "unreadable")
row(name, "The key of the server is this: " + " ".join(base64.b64encode(rng.randbytes(24)).decode().replace("/", "x").replace("+", "y").rstrip("=") for _ in range(12)), "gopher_word_length")
row(name, "The table of the year is: " + " | ".join(f"{rng.random() * 100:.2f}" for _ in range(40)), "gopher_word_length")
row(name, "The weather of today is " + "buy it here and now, " * 30, "gopher_top_2gram")
row(name, "请点击这里购买我们的产品，" * 20, "gopher_top_3gram")
row(name, english[14] + " Lorem ipsum dolor sit amet, consectetur adipiscing elit.", "c4_lorem_ipsum")
row(name, english[15] + " for (let i = 0; i < 9; i++) { go(i); }", "c4_curly")
row(name, "首页\n新闻\n体育\n娱乐\n财经\n今天的天气是晴，明天的天气不好，出门应当带伞，以免在路上淋雨。\n关于\n联系\n登录", "fineweb_line_ends")
broken(name, '["a", "list"]')
# what stays as it is
for text in laws[16:22] + english[16:22]:
    row(name, text)


def page(title, paragraphs, charset):
    body = "\n".join(f"<p>{text}</p>" for text in paragraphs)
    return f"""<html><head><meta charset="{charset}"><title>{title}</title><style>p {{ margin: 0 }}</style></head><body>
<div id="nav"><ul><li><a href="/">Home</a></li><li><a href="/news">News</a></li><li><a href="/about">About us</a></li></ul></div>
<div class="article"><h1>{title}</h1>
{body}
</div><div class="footer">&copy; 2024 <a href="/imprint">Imprint</a></div><script>var x = {{ a: 1 }};</script></body></html>
"""


pages = {"5-page-gbk.html": ("条例", laws[22:24], "gbk"), "6-page.html": ("The report", english[22:24], "utf-8")}
for name, (title, paragraphs, charset) in pages.items():
    truth.append({"file": name, "fault": "", "text": "\n\n".join([title] + paragraphs)})

folder = here / "dirty"
folder.mkdir(exist_ok=True)
encodings = {"1-statutes-gb18030.jsonl": "gb18030", "2-traditional-big5.jsonl": "big5", "3-english-utf16.jsonl": "utf-16", "4-mixed.jsonl": "utf-8"}
for name, lines in files.items():
    (folder / name).write_bytes(("\n".join(lines) + "\n").encode(encodings[name]))
for name, (title, paragraphs, charset) in pages.items():
    (folder / name).write_bytes(page(title, paragraphs, charset).encode(charset))
with open(here / "dirty-truth.jsonl", "w", encoding="utf-8") as out:
    for at, line in enumerate(truth):
        out.write(json.dumps({"row": at, **line}, ensure_ascii=False) + "\n")
print(len(truth), "rows,", sum(bool(line["fault"]) for line in truth), "of them go")
