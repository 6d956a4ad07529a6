bash -euo pipefail files/serve.sh rails --stop
