# frozen_string_literal: true

require 'json'
require 'socket'

module OpsyardAgent
  # One step of the agent's log: one connection to its socket. The agent answers
  # when everything printed so far lies before the step's begin or end.
  class Step
    def self.open(name)
      Dir.open(File.dirname(ENV.fetch('OPSYARD_REPORT'))) do |dir|
        # The kernel takes 107 bytes for a socket's name.
        short = "/proc/self/fd/#{dir.fileno}/#{File.basename(ENV.fetch('OPSYARD_REPORT'))}"
        return new(UNIXSocket.new(short), name)
      end
    end

    def initialize(socket, name)
      @socket = socket
      ask(kind: 'resource', name: name)
    end

    def end(result)
      ask(end: result)
    ensure
      @socket.close
    end

    private

    def ask(message)
      $stdout.flush
      @socket.puts(JSON.generate(message))
      @socket.gets
    end
  end

  # Wraps Puppet's work on one resource. Puppet's own containers do no work.
  module Steps
    SILENT = %w[Stage Class Schedule Filebucket Whit].freeze

    def evaluate(resource)
      return super if resource.is_a?(Puppet::Type.type(:component)) || SILENT.include?(resource.class.name.to_s.capitalize)

      step = Step.open(resource.ref)
      status = nil
      begin
        status = super
      ensure
        step.end(OpsyardAgent.result(status))
      end
    end
  end

  def self.result(status)
    return { error: 'ended without a result' } if status.nil?
    return { error: failure(status) } if status.failed || status.failed_to_restart

    # In a dry run nothing changed, but something would have.
    changed = status.changed || status.events.any? { |e| e.status == 'noop' }
    changed ? { changed: 1 } : { unchanged: 1 }
  end

  def self.failure(status)
    event = status.events.find { |e| e.status == 'failure' }
    "#{status.resource}: #{event ? event.message : 'failed'}"
  end
end

# Reports each resource of this run as a step. It is a function because the
# module path is the one way into Puppet that every packaging of it leaves open.
Puppet::Functions.create_function(:'opsyard_agent::report') do
  def report
    $stdout.sync = true
    return unless ENV.key?('OPSYARD_REPORT')

    harness = Puppet::Transaction::ResourceHarness
    harness.prepend(OpsyardAgent::Steps) unless harness.include?(OpsyardAgent::Steps)
  end
end
