# frozen_string_literal: true

require 'json'

# A value of the private document at a dotted path, such as
# "apps.hello.environment", as Sensitive: it is not shown.
Puppet::Functions.create_function(:'opsyard_agent::private') do
  dispatch :private do
    param 'String', :path
  end

  def private(path)
    value = JSON.parse(File.read(ENV.fetch('OPSYARD_PRIVATE')))
    path.split('.').each { |key| value = below(value, key) }
    raise Puppet::ParseError, "There is no private value #{path}." if value.nil?

    Puppet::Pops::Types::PSensitiveType::Sensitive.new(value)
  end

  # Apps are a list; they are asked for by their short names.
  def below(value, key)
    case value
    when Hash then value[key]
    when Array then value.find { |v| v.is_a?(Hash) && v['shortname'] == key }
    end
  end
end
