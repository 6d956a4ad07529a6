Gem::Specification.new do |s|
  s.name, s.version, s.summary, s.authors = "greeter", "1.0", "Greets", ["Opsyard"]
  s.files, s.require_paths = ["greeter.rb"], ["."]
end
