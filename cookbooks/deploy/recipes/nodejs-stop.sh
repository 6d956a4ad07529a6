bash -euo pipefail files/serve.sh nodejs --stop
