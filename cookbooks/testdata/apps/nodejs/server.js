// A web page without dependencies that tells its version.
const http = require('http');
const opsworks = require('opsworks');

if ('@VERSION@' === 'broken') {
  throw new Error('this version is broken');
}
http.createServer((request, response) => {
  response.end(`@VERSION@ ${process.env.GREETING} ${JSON.stringify(opsworks.db)}`);
}).listen(process.env.PORT, '127.0.0.1');
