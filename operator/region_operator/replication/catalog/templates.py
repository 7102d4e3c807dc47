"""Templates: what they are, not the disks themselves.

Metadata travel, so that every region names and describes a template alike, and it can be registered, copied or found
there under the same uuid. Physical copies (``template_store_ref``, ``template_zone_ref``) and all that follows from
them (size, state, update counts) stay in their region, and so do templates that a cloud's installation brings. The
guest operating system is a number that differs between installations: a template arrives with none (0), until an
administrator names one.
"""

from typing import Final

from region_operator.replication.catalog.columns import REMOVED, created, number, reference, text
from region_operator.replication.catalog.entity import Cascade, Entity, RowFilter

INSTALLED_TYPES: Final = ("SYSTEM", "BUILTIN", "PERHOST", "ROUTING")

TEMPLATE: Final = Entity(
    name="template",
    table="vm_template",
    fields=(
        text("unique_name", 255, nullable=False),
        text("name", 255, nullable=False),
        number("public"),
        number("featured"),
        text("type", 32),
        number("hvm"),
        number("bits"),
        text("url", 2048),
        text("format", 32, nullable=False),
        reference("account_id", "account"),
        text("checksum", 255),
        text("display_text", 4096),
        number("enable_password"),
        number("enable_sshkey"),
        number("bootable"),
        number("cross_zones"),
        number("extractable"),
        text("hypervisor_type", 32),
        reference("source_template_id", "template", nullable=True, deferred=True),
        text("template_tag", 255),
        number("sort_key"),
        number("dynamically_scalable"),
        created(nullable=False),
        REMOVED,
    ),
    removed="removed",
    excluded=(
        "guest_os_id",
        "prepopulate",
        "size",
        "state",
        "update_count",
        "updated",
        "image_data_store_id",
        "direct_download",
        "parent_template_id",
        "deploy_as_is",
        "user_data_id",
        "user_data_link_policy",
        "for_cks",
        "arch",
    ),
    initial={"guest_os_id": 0},
    row_filter=RowFilter("type", INSTALLED_TYPES),
    known_by=("name", "account_id"),
)

TEMPLATE_DETAIL: Final = Entity(
    name="template_detail",
    table="vm_template_details",
    fields=(
        reference("template_id", "template"),
        text("name", 255, nullable=False),
        text("value", 1024, nullable=False),
        number("display"),
    ),
    key_column=None,
    key_fields=("template_id", "name"),
    part_of="template_id",
    cascades=(Cascade("vm_template", "template_id", "Delete"),),
)
