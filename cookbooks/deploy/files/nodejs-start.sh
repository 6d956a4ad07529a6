export NODE_PATH=${NODE_PATH:-$PWD/node_modules:$PWD} NODE_ENV=${NODE_ENV:-production} PATH=$PWD/node_modules/.bin:$PATH
if [ -f server.js ]; then
  exec node server.js
fi
start=$(node -p '(require("./package.json").scripts || {}).start || ""')
if [ -z "$start" ]; then
  echo "There is neither a file server.js nor a start script in package.json."
  exit 1
fi
exec bash -c "$start"
