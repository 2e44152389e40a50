# frozen_string_literal: true

require "json"
require "open3"

# Runs pgsiphon with Rails' own settings: the database configuration, and the AWS keys in the credentials
# (`bin/rails credentials:edit`):
#
#   aws:
#     access_key_id: …
#     secret_access_key: …
#     s3_region: eu-central-1
#     postgres_bucket: my-backups
#
# All settings are passed in the process's environment, none on its command line.
module Pgsiphon
  # A run failed. The message is pgsiphon's own.
  class Error < StandardError
    attr_reader :exit_code

    def initialize(message, exit_code)
      super(message)
      @exit_code = exit_code
    end
  end

  # The source or the storage could not be reached, or failed midway: a later run may succeed.
  class Unreachable < Error; end

  # See docs/exit-codes.md.
  UNREACHABLE = [3, 5, 6].freeze
  SLOT_HELD = 9

  module_function

  # Runs the backup and returns each job's report. If another run is in progress, that is not an error: the
  # result is empty.
  def backup(*jobs)
    output, errors, status = Open3.capture3(environment, binary, "backup", "--json", *jobs)
    return [] if status.exitstatus == SLOT_HELD
    return JSON.parse(output) if status.success?

    message = errors.lines.grep(/error: /).last&.strip || "pgsiphon exited with #{status}"
    raise (UNREACHABLE.include?(status.exitstatus) ? Unreachable : Error).new(message, status.exitstatus)
  end

  def binary
    ENV.fetch("PGSIPHON_BINARY", "pgsiphon")
  end

  def environment
    database.merge(aws).compact
  end

  def database
    config = ActiveRecord::Base.configurations.find_db_config(Rails.env).configuration_hash
    {
      "PGSIPHON_SOURCE_URL" => config[:url],
      "PGSIPHON_SOURCE_HOST" => config[:host],
      "PGSIPHON_SOURCE_PORT" => config[:port]&.to_s,
      "PGSIPHON_SOURCE_USER" => config[:username],
      "PGSIPHON_SOURCE_DBNAME" => config[:database],
      "PGSIPHON_SOURCE_PASSWORD" => config[:password]
    }
  end

  def aws
    keys = Rails.application.credentials.aws || {}
    %i[access_key_id secret_access_key s3_region postgres_bucket].to_h do |name|
      ["PGSIPHON_AWS_#{name.upcase}", keys[name]]
    end
  end
end
