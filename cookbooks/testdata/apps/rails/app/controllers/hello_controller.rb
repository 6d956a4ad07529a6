class HelloController < ActionController::Base
  def show
    migrated = ActiveRecord::Base.connection.table_exists?(:visits) ? "migrated" : "empty"
    render plain: "@VERSION@ #{migrated} #{Rails.env} #{ENV["GREETING"]}\n"
  end
end
