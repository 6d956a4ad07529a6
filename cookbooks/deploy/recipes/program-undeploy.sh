bash -euo pipefail files/serve-remove.sh
