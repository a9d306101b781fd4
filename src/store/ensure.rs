//! Finding or making the contact and the conversation at an address: on the way out and on the way in.

use crate::db::statements;

statements! {
    CONTACT_AT = "SELECT contact_id FROM contact_identities WHERE account_id = $1 AND address = $2";
    INSERT_CONTACT = "INSERT INTO contacts (id, workspace_id, name, phone, attributes, created_at, updated_at)
        VALUES ($1, $2, $3, $4, $5, $6, $6)";
    DELETE_CONTACT = "DELETE FROM contacts WHERE id = $1";
    INSERT_IDENTITY = "INSERT INTO contact_identities
        (account_id, address, workspace_id, contact_id, channel, created_at)
        VALUES ($1, $2, $3, $4, $5, $6) ON CONFLICT (account_id, address) DO NOTHING";
    OPEN_CONVERSATION = "INSERT INTO conversations
        (id, workspace_id, account_id, contact_id, kind, address, title, next_seq, unread_count, last_message_id,
        last_message_at, status, created_at, updated_at)
        VALUES ($1, $2, $3, $4, $5, $6, $7, $8, 0, $9, $10, 'open', $11, $11)
        ON CONFLICT (account_id, address) DO UPDATE SET next_seq = conversations.next_seq + $8,
        last_message_id = COALESCE($9, conversations.last_message_id),
        last_message_at = COALESCE($10, conversations.last_message_at)
        RETURNING id, contact_id, next_seq";
}

/// Finds or makes the contact at an address, within a transaction.
macro_rules! ensure_contact {
    ($tx:ident, $ids:expr, $now:expr, $workspace:expr, $account:expr, $channel:expr, $address:expr, $name:expr, $phone:expr) => {{
        let known: Option<Uuid> = sqlx::query_scalar(crate::ensure::CONTACT_AT)
            .bind($account)
            .bind($address)
            .fetch_optional(&mut *$tx)
            .await?;
        match known {
            Some(contact) => contact,
            None => {
                let contact = $ids.uuid($now);
                sqlx::query(crate::ensure::INSERT_CONTACT)
                    .bind(contact)
                    .bind($workspace)
                    .bind($name)
                    .bind($phone)
                    .bind(Json(serde_json::json!({})))
                    .bind($now.to_datetime())
                    .execute(&mut *$tx)
                    .await?;
                let inserted = sqlx::query(crate::ensure::INSERT_IDENTITY)
                    .bind($account)
                    .bind($address)
                    .bind($workspace)
                    .bind(contact)
                    .bind($channel)
                    .bind($now.to_datetime())
                    .execute(&mut *$tx)
                    .await?
                    .rows_affected();
                if inserted == 1 {
                    contact
                } else {
                    // Somebody else met the contact at the same moment: theirs stays.
                    sqlx::query(crate::ensure::DELETE_CONTACT).bind(contact).execute(&mut *$tx).await?;
                    sqlx::query_scalar(crate::ensure::CONTACT_AT)
                        .bind($account)
                        .bind($address)
                        .fetch_one(&mut *$tx)
                        .await?
                }
            }
        }
    }};
}
pub(crate) use ensure_contact;
