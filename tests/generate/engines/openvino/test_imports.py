"""What the engine imports, and what it leaves out."""

import subprocess
import sys


def test_the_engine_imports_no_torch_and_nothing_that_reports_over_the_network() -> None:
    program = "import sys, job.generate.engines.openvino.generator; print(*sys.modules)"
    imported = subprocess.run([sys.executable, "-c", program], check=True, capture_output=True, text=True)
    modules = {name.partition(".")[0] for name in imported.stdout.split()}
    assert modules & {"openvino", "torch", "transformers", "openvino_telemetry"} == {"openvino"}
