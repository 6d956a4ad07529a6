# What every instance gets first at Setup: updates if they are wanted, the
# names of its peers, the packages of its layers.
if [ "$(opsyard-agent attr dependencies.upgrade_debs --default false)" = true ] ||
  [ "$(opsyard-agent attr opsworks.instance.install_updates_on_boot --default false)" = true ]; then
  bash -euo pipefail recipes/updates.sh
fi
bash -euo pipefail recipes/configure.sh
bash -euo pipefail recipes/packages.sh
