"""Planners and their stores."""

import sqlalchemy as sa
from alembic import op

revision = "0012"
down_revision = "0011"


def upgrade() -> None:
    with op.batch_alter_table("api_keys") as table:
        for name in ("stores", "regions"):
            table.add_column(sa.Column(name, sa.JSON(), nullable=True))
        table.add_column(sa.Column("login", sa.Text(), nullable=True))
    op.create_index("ix_api_keys_login", "api_keys", ["login"])
    op.create_table(
        "stores",
        sa.Column("retailer", sa.Text(), nullable=False, server_default="default"),
        sa.Column("store", sa.Text(), nullable=False),
        *(sa.Column(name, sa.Text(), nullable=True) for name in ("region", "zone", "postcode")),
        *(sa.Column(name, sa.Float(53), nullable=True) for name in ("latitude", "longitude")),
        sa.PrimaryKeyConstraint("retailer", "store", name="pk_stores"),
    )


def downgrade() -> None:
    op.drop_table("stores")
    op.drop_index("ix_api_keys_login", "api_keys")
    with op.batch_alter_table("api_keys") as table:
        for name in ("login", "regions", "stores"):
            table.drop_column(name)
