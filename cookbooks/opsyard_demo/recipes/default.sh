# Recipes for instances without a machine of their own: they install nothing
# and keep to the instance's directory. A layer uses opsyard_demo::setup,
# ::configure, ::deploy, ::undeploy and ::shutdown.
bash -euo pipefail recipes/setup.sh
