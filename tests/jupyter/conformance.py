"""Jupyter's own test of kernels: each message against its schema. The suite runs it; see drive.py for how to do it by hand."""

import unittest

import jupyter_kernel_test


class Levain(jupyter_kernel_test.KernelTests):
    kernel_name = "levain"
    language_name = "rhai"
    file_extension = ".rhai"
    code_hello_world = 'print("hello, world")'
    code_stderr = 'let bar = progress(1, "counting"); bar.tick(); bar.done();'
    code_execute_result = [{"code": "6 * 7", "result": "42"}]
    code_generate_error = "nope"
    code_inspect_sample = "tensor"
    completion_samples = [{"text": "prin", "matches": {"print"}}]
    complete_code_samples = ["1", "let a = 1;"]
    incomplete_code_samples = ["fn f(x) {", "let a = [1,"]


if __name__ == "__main__":
    unittest.main()
