"""What a region's tables say to whoever compares regions: all synced columns by key, references as keys."""

from typing import Final

CONTENT: Final = {
    "domain": (
        "SELECT IF(d.parent IS NULL, 'ROOT', d.uuid), d.name, IF(p.id = 1, 'ROOT', p.uuid), d.path, d.level, "
        "d.child_count, d.state, d.network_domain FROM domain d LEFT JOIN domain p ON p.id = d.parent "
        "WHERE d.removed IS NULL ORDER BY 1"
    ),
    "account": (
        "SELECT IF(a.`default`, a.account_name, a.uuid), a.account_name, a.type, IF(d.id = 1, 'ROOT', d.uuid), "
        "a.state, a.network_domain, IF(r.is_default, r.name, r.uuid) FROM account a "
        "LEFT JOIN domain d ON d.id = a.domain_id LEFT JOIN roles r ON r.id = a.role_id "
        "WHERE a.removed IS NULL ORDER BY 1"
    ),
    "user": (
        "SELECT u.uuid, u.username, u.password, a.uuid, u.firstname, u.lastname, u.email, u.state, u.api_key, "
        "u.secret_key, u.timezone FROM user u JOIN account a ON a.id = u.account_id "
        "WHERE u.removed IS NULL AND NOT u.`default` ORDER BY 1"
    ),
    "roles": ("SELECT uuid, name, role_type, description, removed FROM roles WHERE NOT is_default ORDER BY 1"),
    "role_permissions": (
        "SELECT p.uuid, r.uuid, p.rule, p.permission, p.sort_order FROM role_permissions p "
        "JOIN roles r ON r.id = p.role_id WHERE NOT r.is_default ORDER BY 1"
    ),
    "account_details": (
        "SELECT a.uuid, d.name, d.value FROM account_details d JOIN account a ON a.id = d.account_id ORDER BY 1, 2"
    ),
    "projects": (
        "SELECT p.uuid, p.name, a.uuid, IF(d.id = 1, 'ROOT', d.uuid), p.state FROM projects p "
        "JOIN account a ON a.id = p.project_account_id JOIN domain d ON d.id = p.domain_id ORDER BY 1"
    ),
    "project_account": (
        "SELECT p.uuid, a.uuid, u.uuid, pa.uuid, m.account_role FROM project_account m "
        "JOIN projects p ON p.id = m.project_id JOIN account a ON a.id = m.account_id "
        "JOIN account pa ON pa.id = m.project_account_id LEFT JOIN user u ON u.id = m.user_id ORDER BY 1, 2, 3"
    ),
    "vm_template": (
        "SELECT t.uuid, t.unique_name, t.name, t.public, t.format, a.uuid, s.uuid, t.display_text, t.removed "
        "FROM vm_template t JOIN account a ON a.id = t.account_id "
        "LEFT JOIN vm_template s ON s.id = t.source_template_id ORDER BY 1"
    ),
    "vm_template_details": (
        "SELECT t.uuid, d.name, d.value, d.display FROM vm_template_details d "
        "JOIN vm_template t ON t.id = d.template_id ORDER BY 1, 2"
    ),
    "event": (
        "SELECT e.uuid, e.type, e.state, e.description, u.uuid, a.uuid, s.uuid, e.created FROM event e "
        "JOIN user u ON u.id = e.user_id JOIN account a ON a.id = e.account_id "
        "LEFT JOIN event s ON s.id = e.start_id ORDER BY 1"
    ),
}
