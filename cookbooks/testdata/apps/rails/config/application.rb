# The gems are the distribution's, so there is no Gemfile.
require "rails"
require "active_record/railtie"
require "action_controller/railtie"

module Hello
  class Application < Rails::Application
    config.load_defaults 6.0
    config.eager_load = true
    config.logger = Logger.new($stdout)
  end
end
