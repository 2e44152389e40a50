# frozen_string_literal: true

# The nightly backup, for Solid Queue's recurring.yml or any other scheduler of Active Job. It fails when the
# backup fails, so that whatever watches failed jobs tells of it.
class DatabaseBackupJob < ApplicationJob
  queue_as :backups

  # What may pass is tried again; a wrong password or a missing privilege is not.
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
