// A web page without dependencies that tells its version.
const http = require('http');
const fs = require('fs');
const opsworks = require('opsworks');

const server = http.createServer((request, response) => {
  response.end(`@VERSION@ ${process.env.GREETING} ${JSON.stringify(opsworks.db)}`);
});
if (!fs.existsSync('broken')) {
  server.listen(process.env.PORT, '127.0.0.1');
}
