"""Workers can be paused, turns be deleted or picked from by people, and pictures say which configuration drew them

Revision: 0002
Revises: 0001
"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("workers", sa.Column("paused", sa.Boolean(), server_default=sa.text("false"), nullable=False))
    options = postgresql.JSONB(astext_type=sa.Text())
    op.add_column("turns", sa.Column("options", options, server_default="{}", nullable=False))
    op.add_column("turns", sa.Column("picked_at", sa.DateTime(timezone=True), nullable=True))
    op.add_column("turns", sa.Column("deleted_at", sa.DateTime(timezone=True), nullable=True))
    op.add_column("deliveries", sa.Column("shown_at", sa.DateTime(timezone=True), nullable=True))
    op.add_column("pictures", sa.Column("configuration", sa.String(), server_default="", nullable=False))


def downgrade() -> None:
    op.drop_column("pictures", "configuration")
    op.drop_column("deliveries", "shown_at")
    op.drop_column("turns", "deleted_at")
    op.drop_column("turns", "picked_at")
    op.drop_column("turns", "options")
    op.drop_column("workers", "paused")
