# Setup of the Node.js layer: the Node.js of the distribution. npm comes with
# the first app that has a package.json; it needs ten times the room.
opsyard-agent package nodejs logrotate --no-recommends
wanted=$(opsyard-agent attr opsworks.layers.nodejs-app.attributes.NodejsVersion --default '')
if [ -n "$wanted" ] && command -v node >/dev/null && [ "$(node --version)" != "v$wanted" ]; then
  echo "The layer asks for Node.js $wanted; the distribution has $(node --version), which is what runs."
fi
