# frozen_string_literal: true

require 'json'

# The attributes of the run, as $facts['opsyard'].
Facter.add(:opsyard) do
  confine { ENV.key?('OPSYARD_ATTRIBUTES') }
  setcode { JSON.parse(File.read(ENV.fetch('OPSYARD_ATTRIBUTES'))) }
end
