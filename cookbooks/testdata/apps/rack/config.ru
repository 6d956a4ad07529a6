require "bundler/setup"
require "greeter"
run ->(_env) { [200, { "content-type" => "text/plain" }, ["@VERSION@ #{Greeter::GREETING}\n"]] }
