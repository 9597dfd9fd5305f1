"""Only one index of turns begins with the workspace, so that foreign keys are looked for by their whole key

Revision: 0006
Revises: 0005
"""

from alembic import op

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_unique_constraint(op.f("uq_turns_source_id_workspace_id"), "turns", ["source_id", "workspace_id"])
    op.drop_constraint(op.f("uq_turns_workspace_id_source_id"), "turns", type_="unique")


def downgrade() -> None:
    op.create_unique_constraint(op.f("uq_turns_workspace_id_source_id"), "turns", ["workspace_id", "source_id"])
    op.drop_constraint(op.f("uq_turns_source_id_workspace_id"), "turns", type_="unique")
