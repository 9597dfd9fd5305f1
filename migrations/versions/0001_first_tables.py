"""First tables

Revision: 0001
Revises: nothing
"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "workers",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("engine", sa.String(), nullable=False),
        sa.Column("fingerprint", sa.String(), nullable=False),
        sa.Column("abilities", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.Column("host", sa.String(), nullable=False),
        sa.Column("stopping", sa.Boolean(), server_default=sa.text("false"), nullable=False),
        sa.Column("started_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("heartbeat_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_workers")),
    )
    op.create_table(
        "workspaces",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("platform", sa.String(), nullable=False),
        sa.Column("external_id", sa.String(), nullable=False),
        sa.Column("name", sa.String(), server_default="", nullable=False),
        sa.Column("salt", sa.Uuid(), server_default=sa.text("gen_random_uuid()"), nullable=False),
        sa.Column("served_at", sa.DateTime(timezone=True), server_default=sa.text("'epoch'"), nullable=False),
        sa.Column("settings", postgresql.JSONB(astext_type=sa.Text()), server_default="{}", nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_workspaces")),
        sa.UniqueConstraint("platform", "external_id", name=op.f("uq_workspaces_platform_external_id")),
    )
    op.create_table(
        "blobs",
        sa.Column("workspace_id", sa.Uuid(), nullable=False),
        sa.Column("key", sa.String(), nullable=False),
        sa.Column("bytes", sa.BigInteger(), nullable=False),
        sa.Column("content_type", sa.String(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.ForeignKeyConstraint(
            ["workspace_id"], ["workspaces.id"], name=op.f("fk_blobs_workspace_id"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("workspace_id", "key", name=op.f("pk_blobs")),
    )
    op.create_table(
        "conversations",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("workspace_id", sa.Uuid(), nullable=False),
        sa.Column("channel", sa.String(), nullable=False),
        sa.Column("thread", sa.String(), nullable=False),
        sa.Column("title", sa.String(), server_default="", nullable=False),
        sa.Column("head_id", sa.Uuid(), nullable=True),
        sa.Column("settings", postgresql.JSONB(astext_type=sa.Text()), server_default="{}", nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("last_turn_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.ForeignKeyConstraint(
            ["workspace_id"], ["workspaces.id"], name=op.f("fk_conversations_workspace_id"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_conversations")),
        sa.UniqueConstraint(
            "workspace_id", "channel", "thread", name=op.f("uq_conversations_workspace_id_channel_thread")
        ),
        sa.UniqueConstraint("workspace_id", "id", name=op.f("uq_conversations_workspace_id_id")),
    )
    op.create_index("ix_conversations_recent", "conversations", ["workspace_id", "last_turn_at"], unique=False)
    op.create_table(
        "persons",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("workspace_id", sa.Uuid(), nullable=False),
        sa.Column("external_id", sa.String(), nullable=False),
        sa.Column("name", sa.String(), server_default="", nullable=False),
        sa.Column("served_at", sa.DateTime(timezone=True), server_default=sa.text("'epoch'"), nullable=False),
        sa.Column("ready_turns", sa.Integer(), server_default="0", nullable=False),
        sa.Column("blocked_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.CheckConstraint("ready_turns >= 0", name=op.f("ck_persons_ready_turns")),
        sa.ForeignKeyConstraint(
            ["workspace_id"], ["workspaces.id"], name=op.f("fk_persons_workspace_id"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_persons")),
        sa.UniqueConstraint("workspace_id", "external_id", name=op.f("uq_persons_workspace_id_external_id")),
        sa.UniqueConstraint("workspace_id", "id", name=op.f("uq_persons_workspace_id_id")),
    )
    op.create_index(
        "ix_persons_waiting",
        "persons",
        ["workspace_id", "served_at"],
        unique=False,
        postgresql_where=sa.text("ready_turns > 0"),
    )
    op.create_table(
        "audit",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("workspace_id", sa.Uuid(), nullable=False),
        sa.Column("person_id", sa.Uuid(), nullable=True),
        sa.Column("source_id", sa.String(), nullable=True),
        sa.Column("action", sa.String(), nullable=False),
        sa.Column("details", postgresql.JSONB(astext_type=sa.Text()), server_default="{}", nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.ForeignKeyConstraint(
            ["workspace_id", "person_id"],
            ["persons.workspace_id", "persons.id"],
            name=op.f("fk_audit_workspace_id_person_id"),
        ),
        sa.ForeignKeyConstraint(
            ["workspace_id"], ["workspaces.id"], name=op.f("fk_audit_workspace_id"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_audit")),
    )
    op.create_index(
        "uq_audit_source",
        "audit",
        ["workspace_id", "source_id"],
        unique=True,
        postgresql_where=sa.text("source_id IS NOT NULL"),
    )
    op.create_table(
        "turns",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("workspace_id", sa.Uuid(), nullable=False),
        sa.Column("conversation_id", sa.Uuid(), nullable=False),
        sa.Column("person_id", sa.Uuid(), nullable=False),
        sa.Column("parent_id", sa.Uuid(), nullable=True),
        sa.Column("source_id", sa.String(), nullable=False),
        sa.Column("kind", sa.String(), nullable=False),
        sa.Column("text", sa.String(), nullable=False),
        sa.Column("attachments", postgresql.JSONB(astext_type=sa.Text()), server_default="[]", nullable=False),
        sa.Column("engine", sa.String(), nullable=False),
        sa.Column("seed", sa.BigInteger(), nullable=False),
        sa.Column("status", sa.String(), nullable=False),
        sa.Column("ready_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("fencing", sa.Integer(), server_default="0", nullable=False),
        sa.Column("strikes", sa.Integer(), server_default="0", nullable=False),
        sa.Column("worker_id", sa.Uuid(), nullable=True),
        sa.Column("lease_until", sa.DateTime(timezone=True), nullable=True),
        sa.Column("deadline_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("reply", sa.String(), server_default="", nullable=False),
        sa.Column("tokens_read", sa.Integer(), server_default="0", nullable=False),
        sa.Column("tokens_reused", sa.Integer(), server_default="0", nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("started_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("finished_at", sa.DateTime(timezone=True), nullable=True),
        sa.CheckConstraint(
            "status IN ('received', 'queued', 'running', 'done', 'refused', 'failed', 'cancelled')",
            name=op.f("ck_turns_status"),
        ),
        sa.ForeignKeyConstraint(
            ["workspace_id", "conversation_id"],
            ["conversations.workspace_id", "conversations.id"],
            name=op.f("fk_turns_workspace_id_conversation_id"),
            ondelete="CASCADE",
        ),
        sa.ForeignKeyConstraint(
            ["workspace_id", "parent_id"],
            ["turns.workspace_id", "turns.id"],
            name=op.f("fk_turns_workspace_id_parent_id"),
        ),
        sa.ForeignKeyConstraint(
            ["workspace_id", "person_id"],
            ["persons.workspace_id", "persons.id"],
            name=op.f("fk_turns_workspace_id_person_id"),
            ondelete="CASCADE",
        ),
        sa.ForeignKeyConstraint(
            ["workspace_id"], ["workspaces.id"], name=op.f("fk_turns_workspace_id"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_turns")),
        sa.UniqueConstraint("workspace_id", "id", name=op.f("uq_turns_workspace_id_id")),
        sa.UniqueConstraint("workspace_id", "source_id", name=op.f("uq_turns_workspace_id_source_id")),
    )
    op.create_index("ix_turns_conversation", "turns", ["conversation_id", "id"], unique=False)
    op.create_index(
        "ix_turns_finished",
        "turns",
        ["engine", "finished_at"],
        unique=False,
        postgresql_where=sa.text("status = 'done'"),
    )
    op.create_index(
        "ix_turns_lease", "turns", ["lease_until"], unique=False, postgresql_where=sa.text("status = 'running'")
    )
    op.create_index("ix_turns_parent", "turns", ["parent_id"], unique=False)
    op.create_index(
        "ix_turns_received", "turns", ["created_at"], unique=False, postgresql_where=sa.text("status = 'received'")
    )
    op.create_index(
        "ix_turns_runnable",
        "turns",
        ["engine", "workspace_id", "person_id", "id"],
        unique=False,
        postgresql_where=sa.text("status = 'queued' AND ready_at IS NOT NULL"),
    )
    op.create_index(
        "ix_turns_waiting",
        "turns",
        ["engine", "id"],
        unique=False,
        postgresql_where=sa.text("status IN ('received', 'queued', 'running')"),
    )
    op.create_table(
        "usage",
        sa.Column("person_id", sa.Uuid(), nullable=False),
        sa.Column("day", sa.Date(), nullable=False),
        sa.Column("engine", sa.String(), nullable=False),
        sa.Column("workspace_id", sa.Uuid(), nullable=False),
        sa.Column("turns", sa.Integer(), server_default="0", nullable=False),
        sa.Column("seconds", sa.Double(), server_default="0", nullable=False),
        sa.ForeignKeyConstraint(
            ["workspace_id", "person_id"],
            ["persons.workspace_id", "persons.id"],
            name=op.f("fk_usage_workspace_id_person_id"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("person_id", "day", "engine", name=op.f("pk_usage")),
    )
    op.create_table(
        "characters",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("workspace_id", sa.Uuid(), nullable=False),
        sa.Column("conversation_id", sa.Uuid(), nullable=True),
        sa.Column("turn_id", sa.Uuid(), nullable=True),
        sa.Column("name", sa.String(), nullable=False),
        sa.Column("description", sa.String(), server_default="", nullable=False),
        sa.Column("version", sa.Integer(), server_default="1", nullable=False),
        sa.Column("consent", postgresql.JSONB(astext_type=sa.Text()), nullable=True),
        sa.Column("created_by", sa.Uuid(), nullable=True),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("deleted_at", sa.DateTime(timezone=True), nullable=True),
        sa.ForeignKeyConstraint(
            ["workspace_id", "conversation_id"],
            ["conversations.workspace_id", "conversations.id"],
            name=op.f("fk_characters_workspace_id_conversation_id"),
            ondelete="CASCADE",
        ),
        sa.ForeignKeyConstraint(
            ["workspace_id", "created_by"],
            ["persons.workspace_id", "persons.id"],
            name=op.f("fk_characters_workspace_id_created_by"),
        ),
        sa.ForeignKeyConstraint(
            ["workspace_id", "turn_id"],
            ["turns.workspace_id", "turns.id"],
            name=op.f("fk_characters_workspace_id_turn_id"),
        ),
        sa.ForeignKeyConstraint(
            ["workspace_id"], ["workspaces.id"], name=op.f("fk_characters_workspace_id"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_characters")),
        sa.UniqueConstraint("workspace_id", "id", name=op.f("uq_characters_workspace_id_id")),
    )
    op.create_index("ix_characters_conversation", "characters", ["conversation_id"], unique=False)
    op.create_index(
        "uq_characters_name",
        "characters",
        ["workspace_id", "conversation_id", "turn_id", sa.literal_column("lower(name)")],
        unique=True,
        postgresql_nulls_not_distinct=True,
        postgresql_where=sa.text("deleted_at IS NULL"),
    )
    op.create_table(
        "deliveries",
        sa.Column("turn_id", sa.Uuid(), nullable=False),
        sa.Column("workspace_id", sa.Uuid(), nullable=False),
        sa.Column("platform", sa.String(), nullable=False),
        sa.Column("message_id", sa.String(), nullable=True),
        sa.Column("due_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("attempts", sa.Integer(), server_default="0", nullable=False),
        sa.Column("lease_owner", sa.Uuid(), nullable=True),
        sa.Column("lease_until", sa.DateTime(timezone=True), nullable=True),
        sa.Column("delivered_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("problem", sa.String(), server_default="", nullable=False),
        sa.ForeignKeyConstraint(
            ["workspace_id", "turn_id"],
            ["turns.workspace_id", "turns.id"],
            name=op.f("fk_deliveries_workspace_id_turn_id"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("turn_id", name=op.f("pk_deliveries")),
    )
    op.create_index(
        "ix_deliveries_due",
        "deliveries",
        ["platform", "due_at"],
        unique=False,
        postgresql_where=sa.text("delivered_at IS NULL AND due_at IS NOT NULL"),
    )
    op.create_index("ix_deliveries_message", "deliveries", ["workspace_id", "message_id"], unique=False)
    op.create_table(
        "pictures",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("workspace_id", sa.Uuid(), nullable=False),
        sa.Column("turn_id", sa.Uuid(), nullable=False),
        sa.Column("position", sa.Integer(), server_default="0", nullable=False),
        sa.Column("chosen", sa.Boolean(), server_default=sa.text("true"), nullable=False),
        sa.Column("blob_key", sa.String(), nullable=False),
        sa.Column("width", sa.Integer(), nullable=False),
        sa.Column("height", sa.Integer(), nullable=False),
        sa.Column("alt_text", sa.String(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.ForeignKeyConstraint(
            ["workspace_id", "blob_key"],
            ["blobs.workspace_id", "blobs.key"],
            name=op.f("fk_pictures_workspace_id_blob_key"),
        ),
        sa.ForeignKeyConstraint(
            ["workspace_id", "turn_id"],
            ["turns.workspace_id", "turns.id"],
            name=op.f("fk_pictures_workspace_id_turn_id"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_pictures")),
        sa.UniqueConstraint("turn_id", "position", name=op.f("uq_pictures_turn_id_position")),
        sa.UniqueConstraint("workspace_id", "id", name=op.f("uq_pictures_workspace_id_id")),
    )
    op.create_index("ix_pictures_blob", "pictures", ["workspace_id", "blob_key"], unique=False)
    op.create_table(
        "records",
        sa.Column("turn_id", sa.Uuid(), nullable=False),
        sa.Column("workspace_id", sa.Uuid(), nullable=False),
        sa.Column("fingerprint", sa.String(), nullable=False),
        sa.Column("blob_key", sa.String(), nullable=False),
        sa.ForeignKeyConstraint(
            ["workspace_id", "blob_key"],
            ["blobs.workspace_id", "blobs.key"],
            name=op.f("fk_records_workspace_id_blob_key"),
        ),
        sa.ForeignKeyConstraint(
            ["workspace_id", "turn_id"],
            ["turns.workspace_id", "turns.id"],
            name=op.f("fk_records_workspace_id_turn_id"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("turn_id", name=op.f("pk_records")),
    )
    op.create_index("ix_records_blob", "records", ["workspace_id", "blob_key"], unique=False)
    op.create_table(
        "segments",
        sa.Column("turn_id", sa.Uuid(), nullable=False),
        sa.Column("fingerprint", sa.String(), nullable=False),
        sa.Column("workspace_id", sa.Uuid(), nullable=False),
        sa.Column("blob_key", sa.String(), nullable=False),
        sa.ForeignKeyConstraint(
            ["workspace_id", "blob_key"],
            ["blobs.workspace_id", "blobs.key"],
            name=op.f("fk_segments_workspace_id_blob_key"),
        ),
        sa.ForeignKeyConstraint(
            ["workspace_id", "turn_id"],
            ["turns.workspace_id", "turns.id"],
            name=op.f("fk_segments_workspace_id_turn_id"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("turn_id", "fingerprint", name=op.f("pk_segments")),
    )
    op.create_index("ix_segments_blob", "segments", ["workspace_id", "blob_key"], unique=False)
    op.create_table(
        "appearances",
        sa.Column("picture_id", sa.Uuid(), nullable=False),
        sa.Column("character_id", sa.Uuid(), nullable=False),
        sa.Column("workspace_id", sa.Uuid(), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("box", postgresql.JSONB(astext_type=sa.Text()), nullable=True),
        sa.Column("similarity", sa.Double(), nullable=True),
        sa.ForeignKeyConstraint(
            ["workspace_id", "character_id"],
            ["characters.workspace_id", "characters.id"],
            name=op.f("fk_appearances_workspace_id_character_id"),
            ondelete="CASCADE",
        ),
        sa.ForeignKeyConstraint(
            ["workspace_id", "picture_id"],
            ["pictures.workspace_id", "pictures.id"],
            name=op.f("fk_appearances_workspace_id_picture_id"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("picture_id", "character_id", name=op.f("pk_appearances")),
    )
    op.create_table(
        "references",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("workspace_id", sa.Uuid(), nullable=False),
        sa.Column("character_id", sa.Uuid(), nullable=True),
        sa.Column("turn_id", sa.Uuid(), nullable=True),
        sa.Column("position", sa.Integer(), server_default="0", nullable=False),
        sa.Column("blob_key", sa.String(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.CheckConstraint("character_id IS NOT NULL OR turn_id IS NOT NULL", name=op.f("ck_references_owner")),
        sa.ForeignKeyConstraint(
            ["workspace_id", "blob_key"],
            ["blobs.workspace_id", "blobs.key"],
            name=op.f("fk_references_workspace_id_blob_key"),
        ),
        sa.ForeignKeyConstraint(
            ["workspace_id", "character_id"],
            ["characters.workspace_id", "characters.id"],
            name=op.f("fk_references_workspace_id_character_id"),
            ondelete="CASCADE",
        ),
        sa.ForeignKeyConstraint(
            ["workspace_id", "turn_id"],
            ["turns.workspace_id", "turns.id"],
            name=op.f("fk_references_workspace_id_turn_id"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_references")),
    )
    op.create_index("ix_references_blob", "references", ["workspace_id", "blob_key"], unique=False)
    op.create_index("ix_references_character", "references", ["character_id"], unique=False)
    op.create_index("ix_references_turn", "references", ["turn_id"], unique=False)
    op.create_table(
        "votes",
        sa.Column("picture_id", sa.Uuid(), nullable=False),
        sa.Column("person_id", sa.Uuid(), nullable=False),
        sa.Column("workspace_id", sa.Uuid(), nullable=False),
        sa.Column("value", sa.Integer(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.ForeignKeyConstraint(
            ["workspace_id", "person_id"],
            ["persons.workspace_id", "persons.id"],
            name=op.f("fk_votes_workspace_id_person_id"),
            ondelete="CASCADE",
        ),
        sa.ForeignKeyConstraint(
            ["workspace_id", "picture_id"],
            ["pictures.workspace_id", "pictures.id"],
            name=op.f("fk_votes_workspace_id_picture_id"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("picture_id", "person_id", name=op.f("pk_votes")),
    )
    op.create_foreign_key(
        "fk_conversations_workspace_id_head_id",
        "conversations",
        "turns",
        ["workspace_id", "head_id"],
        ["workspace_id", "id"],
    )


def downgrade() -> None:
    op.drop_constraint("fk_conversations_workspace_id_head_id", "conversations", type_="foreignkey")
    op.drop_table("votes")
    op.drop_index("ix_references_turn", table_name="references")
    op.drop_index("ix_references_character", table_name="references")
    op.drop_index("ix_references_blob", table_name="references")
    op.drop_table("references")
    op.drop_table("appearances")
    op.drop_index("ix_segments_blob", table_name="segments")
    op.drop_table("segments")
    op.drop_index("ix_records_blob", table_name="records")
    op.drop_table("records")
    op.drop_index("ix_pictures_blob", table_name="pictures")
    op.drop_table("pictures")
    op.drop_index("ix_deliveries_message", table_name="deliveries")
    op.drop_index(
        "ix_deliveries_due",
        table_name="deliveries",
        postgresql_where=sa.text("delivered_at IS NULL AND due_at IS NOT NULL"),
    )
    op.drop_table("deliveries")
    op.drop_index(
        "uq_characters_name",
        table_name="characters",
        postgresql_nulls_not_distinct=True,
        postgresql_where=sa.text("deleted_at IS NULL"),
    )
    op.drop_index("ix_characters_conversation", table_name="characters")
    op.drop_table("characters")
    op.drop_table("usage")
    op.drop_index(
        "ix_turns_waiting", table_name="turns", postgresql_where=sa.text("status IN ('received', 'queued', 'running')")
    )
    op.drop_index(
        "ix_turns_runnable", table_name="turns", postgresql_where=sa.text("status = 'queued' AND ready_at IS NOT NULL")
    )
    op.drop_index("ix_turns_received", table_name="turns", postgresql_where=sa.text("status = 'received'"))
    op.drop_index("ix_turns_parent", table_name="turns")
    op.drop_index("ix_turns_lease", table_name="turns", postgresql_where=sa.text("status = 'running'"))
    op.drop_index("ix_turns_finished", table_name="turns", postgresql_where=sa.text("status = 'done'"))
    op.drop_index("ix_turns_conversation", table_name="turns")
    op.drop_table("turns")
    op.drop_index("uq_audit_source", table_name="audit", postgresql_where=sa.text("source_id IS NOT NULL"))
    op.drop_table("audit")
    op.drop_index("ix_persons_waiting", table_name="persons", postgresql_where=sa.text("ready_turns > 0"))
    op.drop_table("persons")
    op.drop_index("ix_conversations_recent", table_name="conversations")
    op.drop_table("conversations")
    op.drop_table("blobs")
    op.drop_table("workspaces")
    op.drop_table("workers")
