bash -euo pipefail files/serve.sh other --restart
