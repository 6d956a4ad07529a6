# What hooks written for OpsWorks say: they were parts of a Chef recipe.
module Chef
  module Log
    %w[debug info warn error fatal].each { |l| define_singleton_method(l) { |m = nil, &b| puts(m || b.call) } }
  end
end

class OpsyardExecute
  def initialize(name)
    @name = @command = name
    @cwd, @environment = ENV['RELEASE_PATH'], {}
  end

  def command(line)
    @command = line
  end
  alias code command

  def cwd(dir)
    @cwd = dir
  end

  def environment(env)
    @environment = Hash[env.map { |k, v| [k.to_s, v.to_s] }]
  end

  def not_if(line = nil, &block)
    @skip ||= holds?(line, block)
  end

  def only_if(line = nil, &block)
    @skip ||= !holds?(line, block)
  end

  def ignore_failure(yes = true)
    @ignore = yes
  end

  # A hook is the app's own, everything in it runs as the app's user.
  %i[user group action].each { |name| define_method(name) { |*| } }

  def run_it
    return if @skip
    puts "execute #{@name}"
    words = @command.is_a?(Array) ? @command : ['bash', '-c', @command.to_s]
    return if system(@environment, *words, chdir: @cwd) || @ignore
    abort "execute #{@name}: ended with exit code #{$? ? $?.exitstatus : 'none'}"
  end

  private

  def holds?(line, block)
    line ? system('bash', '-c', line, chdir: @cwd) : block.call
  end
end

OpsyardResource = Struct.new(:environment, :release_path, :current_path, :shared_path, :name)

def release_path
  ENV['RELEASE_PATH']
end

def current_path
  ENV['CURRENT_PATH']
end

def shared_path
  ENV['SHARED_PATH']
end

def new_resource
  OpsyardResource.new(ENV.to_hash, release_path, current_path, shared_path, ENV['APP'])
end

def execute(name, &block)
  resource = OpsyardExecute.new(name)
  resource.instance_eval(&block) if block
  resource.run_it
end
alias bash execute

def run(line)
  execute(line)
end
alias sudo run

hook = ARGV.shift
$0 = hook
$stdout.sync = true
eval(File.read(hook), TOPLEVEL_BINDING, hook)
