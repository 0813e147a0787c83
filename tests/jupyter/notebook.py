"""Runs a notebook as `jupyter execute` and nbconvert do. The suite runs it; see drive.py for how to do it by hand."""

import nbclient
import nbformat

CELLS = [
    ('let rows = [#{ name: "a", loss: 0.5 }]; print("made");', ["stream"]),
    ("table(rows)", ["text/html", "text/plain"]),
    ('chart("loss").line("train", [3.0, 2.0])', ["image/svg+xml", "text/plain"]),
    ("nope", ["error"]),
    ("rows.len()", ["text/plain"]),
]

notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(code) for code, _ in CELLS])
nbclient.NotebookClient(notebook, kernel_name="levain", allow_errors=True, timeout=60).execute()
nbformat.validate(notebook)
for number, (cell, (code, wanted)) in enumerate(zip(notebook.cells, CELLS), 1):
    found = sorted(kind for out in cell.outputs for kind in out.get("data", {out.output_type: None}))
    assert cell.execution_count == number and found == wanted, (code, found, cell)
assert notebook.cells[-1].outputs[0].data["text/plain"] == "1"
assert notebook.metadata.language_info.file_extension == ".rhai"

# what does not allow errors ends at the first one
notebook.cells = notebook.cells[3:]
try:
    nbclient.NotebookClient(notebook, kernel_name="levain", timeout=60).execute()
except nbclient.exceptions.CellExecutionError as error:
    assert error.ename == "nope", error.ename
else:
    raise AssertionError("the error was not told")

print("a notebook runs")
