class CreateVisits < ActiveRecord::Migration[6.0]
  def change
    create_table(:visits) { |t| t.string :name }
  end
end
