"""The openvino engine: a decoder's graph in OpenVINO's operations, for CPUs.

architecture    config.json becomes a description of the network: the table of families
model_files     config and weights of a folder or a GGUF file; safetensors maps them into memory
parameters      the weights by what they are
dtypes          those that this machine's processor has
precision       what OpenVINO is told of a dtype, and how weights lie in memory
graph           both become OpenVINO's graph
paged_attention the one operation that is experimental in OpenVINO, and the cache it reads
blocks          which blocks of the cache belong to whom
scheduler       which tokens go into the next step
sampler         which token comes next
generator       rows in, tokens out
"""

import sys

# OpenVINO's model converter, which is not used here, takes a second to import, and reports the import
# over the network if openvino-telemetry is installed. Its absence is a case that openvino allows for.
sys.modules.setdefault("openvino.tools.ovc", None)  # type: ignore[arg-type]
