bash -euo pipefail files/serve.sh rails --restart
