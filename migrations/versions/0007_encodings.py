"""What painters made of the references of characters, kept as long as these

Revision: 0007
Revises: 0006
"""

import sqlalchemy as sa
from alembic import op

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_unique_constraint(op.f("uq_references_workspace_id_id"), "references", ["workspace_id", "id"])
    op.create_table(
        "encodings",
        sa.Column("reference_id", sa.Uuid(), nullable=False),
        sa.Column("fingerprint", sa.String(), nullable=False),
        sa.Column("workspace_id", sa.Uuid(), nullable=False),
        sa.Column("blob_key", sa.String(), nullable=False),
        sa.ForeignKeyConstraint(
            ["workspace_id", "reference_id"],
            ["references.workspace_id", "references.id"],
            name=op.f("fk_encodings_workspace_id_reference_id"),
            ondelete="CASCADE",
        ),
        sa.ForeignKeyConstraint(
            ["workspace_id", "blob_key"],
            ["blobs.workspace_id", "blobs.key"],
            name=op.f("fk_encodings_workspace_id_blob_key"),
        ),
        sa.PrimaryKeyConstraint("reference_id", "fingerprint", name=op.f("pk_encodings")),
    )
    op.create_index("ix_encodings_blob", "encodings", ["workspace_id", "blob_key"])


def downgrade() -> None:
    op.drop_table("encodings")
    op.drop_constraint(op.f("uq_references_workspace_id_id"), "references", type_="unique")
