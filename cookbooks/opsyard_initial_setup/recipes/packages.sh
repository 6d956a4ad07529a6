# Installs the packages that this instance's layers ask for.
for layer in $(opsyard-agent attr opsworks.instance.layers --default ''); do
  packages=$(opsyard-agent attr "opsworks.layers.$layer.packages" --default '')
  if [ -n "$packages" ]; then
    # One name a line, none holds a blank.
    opsyard-agent package $packages
  fi
done
