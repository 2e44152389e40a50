# frozen_string_literal: true

# The nightly backup, for Solid Queue's recurring.yml or any other Active Job scheduler. The job fails if the
# backup fails, so your monitoring of failed jobs reports it.
class DatabaseBackupJob < ApplicationJob
  queue_as :backups

  # Temporary failures are retried, but not a wrong password or a missing privilege.
  retry_on Pgsiphon::Unreachable, wait: 10.minutes, attempts: 3

  def perform(*jobs)
    Pgsiphon.backup(*jobs).each do |report|
      report["backups"].each do |backup|
        stored = backup.fetch("stored")
        logger.info("stored #{backup["location"]}: #{stored["rows"]} rows, #{stored["stored_bytes"]} bytes")
      end
      report["warnings"].each { |warning| logger.warn(warning) }
    end
  end
end
