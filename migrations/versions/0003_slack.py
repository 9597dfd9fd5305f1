"""Files that were uploaded for a reply before it is shown

Revision: 0003
Revises: 0002
"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None


def upgrade() -> None:
    files = postgresql.JSONB(astext_type=sa.Text())
    op.add_column("deliveries", sa.Column("files", files, server_default="{}", nullable=False))


def downgrade() -> None:
    op.drop_column("deliveries", "files")
