"""Runs datatrove's Gopher, C4 and FineWeb filters and its PII masking on the rows of scripts/bench/cleaning.rhai, in one process:

    pip install datatrove spacy nltk regex tldextract
    python scripts/bench/cleaning_peers.py out/bench/cleaning/long.jsonl [eng_Latn | zho_Hani]

Prints the rows kept by each filter alone and the megabytes per CPU second of all.
"""
import json, resource, sys, time
from datatrove.data import Document
from datatrove.pipeline.filters import C4QualityFilter, FineWebQualityFilter, GopherQualityFilter, GopherRepetitionFilter
from datatrove.pipeline.formatters import PIIFormatter

path, language = sys.argv[1], sys.argv[2] if len(sys.argv) > 2 else "eng_Latn"
texts = [json.loads(line)["text"] for line in open(path, encoding="utf-8")]
size = sum(len(text.encode()) for text in texts)
filters = [GopherRepetitionFilter(language=language), GopherQualityFilter(language=language), C4QualityFilter(filter_no_terminal_punct=False, language=language), FineWebQualityFilter(language=language)]
found, start = {"rows": len(texts)}, time.process_time()
for each in filters:
    kept = 0
    for at, text in enumerate(texts):
        result = each.filter(Document(text=text, id=str(at)))
        kept += result is True or isinstance(result, tuple) and result[0] is True
    found[type(each).__name__] = kept
masks = PIIFormatter()
for text in texts:
    masks.format(text)
found["mb_per_cpu_s"] = size / 1e6 / (time.process_time() - start)
found["peak_mib"] = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
print(json.dumps(found))
