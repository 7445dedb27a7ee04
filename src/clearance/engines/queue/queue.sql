-- What Clearance adds to procrastinate's tables in the schema clearance_queue: how hints are queued, and in which order jobs are fetched.
-- Run whole, after procrastinate's own statements, whenever it has changed; so every statement can be repeated.
--
-- A job is a hint: the truth is in the store. So its commits need not wait for the disk, and a job that is lost with the server
-- is found again by the sweep.
--
-- A job's queue_name is its lane: one for each tool server of each tenant. args->>'places' says how many jobs of its lane may be
-- carried out at once, over all workers. Its priority is its turn: see defer_hints.

CREATE INDEX IF NOT EXISTS clearance_lane ON clearance_queue.procrastinate_jobs (queue_name, priority DESC, id)
    WHERE status = 'todo';
CREATE INDEX IF NOT EXISTS clearance_turn ON clearance_queue.procrastinate_jobs ((args ->> 'tenant_id'), priority)
    WHERE status = 'todo';

-- Rows come and go by the hundred a second: vacuum by their number, not by a share of the table.
ALTER TABLE clearance_queue.procrastinate_jobs
    SET (autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 2000);
ALTER TABLE clearance_queue.procrastinate_events
    SET (autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 4000);

CREATE TABLE IF NOT EXISTS clearance_queue.sweeping (
    only_row boolean PRIMARY KEY DEFAULT true CHECK (only_row),
    worker text NOT NULL,
    until timestamptz NOT NULL
);

-- Queues hints, all in one statement; how many were new. An intent that waits already is left as it waits.
--
-- Turns make tenants equal (start-time fair queueing). A tenant's jobs have turns one behind the other, from its last one, but
-- never before the turn that is served now: who was idle has saved nothing up. The lowest turn goes first, so everybody's first
-- job comes before anybody's second. What a person approved has turns of its own, all before those of what policy approved.
-- A turn is 0 again whenever nothing waits and nothing is carried out; the last possible one is shared.
CREATE OR REPLACE FUNCTION clearance_queue.defer_hints(
    _tenant_ids text[], _action_intent_ids text[], _lanes text[], _places integer[], _by_persons boolean[]
) RETURNS bigint LANGUAGE plpgsql SET search_path = clearance_queue, pg_temp SET enable_seqscan = off AS $$
DECLARE
    _added bigint;
BEGIN
    PERFORM set_config('synchronous_commit', 'off', true);
    WITH wanted AS (
        SELECT hint.*, CASE WHEN hint.by_person THEN 1 << 30 ELSE 0 END AS first
        FROM unnest(_tenant_ids, _action_intent_ids, _lanes, _places, _by_persons)
            WITH ORDINALITY AS hint (tenant_id, action_intent_id, lane, places, by_person, number)
        WHERE NOT EXISTS (
            SELECT FROM procrastinate_jobs AS job
            WHERE job.status = 'todo' AND job.queueing_lock = hint.tenant_id || '/' || hint.action_intent_id
        )
    ), served AS (
        SELECT kind.first, greatest(
            0,
            kind.first - (SELECT min(job.priority) FROM procrastinate_jobs AS job
                WHERE job.status = 'doing' AND (job.priority > 0) = (kind.first > 0)),
            kind.first - (SELECT job.priority FROM procrastinate_jobs AS job
                WHERE job.status = 'todo' AND job.priority > kind.first - (1 << 30) AND job.priority <= kind.first
                ORDER BY job.priority DESC, job.id LIMIT 1)
        ) AS turn
        FROM (SELECT DISTINCT wanted.first FROM wanted) AS kind
    ), latest AS (
        SELECT own.tenant_id, own.first, 1 + greatest(
            own.first - (SELECT min(job.priority) FROM procrastinate_jobs AS job
                WHERE job.status = 'doing' AND job.args ->> 'tenant_id' = own.tenant_id
                    AND (job.priority > 0) = (own.first > 0)),
            own.first - (SELECT job.priority FROM procrastinate_jobs AS job
                WHERE job.status = 'todo' AND job.args ->> 'tenant_id' = own.tenant_id
                    AND job.priority > own.first - (1 << 30) AND job.priority <= own.first
                ORDER BY job.args ->> 'tenant_id', job.priority LIMIT 1)
        ) AS next_turn
        FROM (SELECT DISTINCT wanted.tenant_id, wanted.first FROM wanted) AS own
    )
    INSERT INTO procrastinate_jobs (queue_name, task_name, priority, queueing_lock, args)
    SELECT
        wanted.lane,
        'carry_on',
        wanted.first - least(
            greatest(served.turn, latest.next_turn)
                + row_number() OVER (PARTITION BY wanted.tenant_id, wanted.first ORDER BY wanted.number) - 1,
            (1 << 30) - 1
        ),
        wanted.tenant_id || '/' || wanted.action_intent_id,
        jsonb_build_object(
            'tenant_id', wanted.tenant_id, 'action_intent_id', wanted.action_intent_id, 'places', wanted.places
        )
    FROM wanted JOIN served USING (first) JOIN latest USING (tenant_id, first)
    ORDER BY wanted.tenant_id, wanted.action_intent_id -- in one order everywhere: else two processes could wait for each other
    ON CONFLICT (queueing_lock) WHERE status = 'todo' DO NOTHING;
    GET DIAGNOSTICS _added = ROW_COUNT;
    RETURN _added;
END;
$$;

-- Takes the first job in turn whose lane has a place free; no row if there is none. One worker at a time: so places are counted
-- exactly. First it looks along the turns; if everything at the front waits for a place, it looks at the head of each lane, so
-- that a long row of waiting jobs costs nothing.
CREATE OR REPLACE FUNCTION clearance_queue.fetch_next(_worker_id bigint) RETURNS SETOF clearance_queue.procrastinate_jobs
LANGUAGE plpgsql SET search_path = clearance_queue, pg_temp SET enable_seqscan = off AS $$
DECLARE
    _taken jsonb;
    _id bigint;
BEGIN
    PERFORM set_config('synchronous_commit', 'off', true);
    PERFORM pg_advisory_xact_lock(hashtext('clearance_queue'), 1);
    SELECT coalesce(jsonb_object_agg(lane.queue_name, lane.taken), '{}') INTO _taken
    FROM (
        SELECT job.queue_name, count(*) AS taken FROM procrastinate_jobs AS job
        WHERE job.status = 'doing' GROUP BY job.queue_name
    ) AS lane;
    SELECT front.id INTO _id
    FROM (
        SELECT job.id, job.queue_name, job.args, job.priority FROM procrastinate_jobs AS job
        WHERE job.status = 'todo' ORDER BY job.priority DESC, job.id LIMIT 100
    ) AS front
    WHERE coalesce((_taken ->> front.queue_name)::integer, 0) < (front.args ->> 'places')::integer
    ORDER BY front.priority DESC, front.id LIMIT 1;
    IF _id IS NULL THEN
        WITH RECURSIVE head AS (
            (
                SELECT job.id, job.queue_name, job.args, job.priority FROM procrastinate_jobs AS job
                WHERE job.status = 'todo' ORDER BY job.queue_name, job.priority DESC, job.id LIMIT 1
            )
            UNION ALL
            SELECT further.* FROM head, LATERAL (
                SELECT job.id, job.queue_name, job.args, job.priority FROM procrastinate_jobs AS job
                WHERE job.status = 'todo' AND job.queue_name > head.queue_name
                ORDER BY job.queue_name, job.priority DESC, job.id LIMIT 1
            ) AS further
        )
        SELECT head.id INTO _id FROM head
        WHERE coalesce((_taken ->> head.queue_name)::integer, 0) < (head.args ->> 'places')::integer
        ORDER BY head.priority DESC, head.id LIMIT 1;
    END IF;
    RETURN QUERY
    UPDATE procrastinate_jobs AS job SET status = 'doing', worker_id = _worker_id
    WHERE job.id = _id AND job.status = 'todo' RETURNING job.*;
END;
$$;

-- Deletes a job that its worker is done with, and frees its place; whether others wait in its lane.
CREATE OR REPLACE FUNCTION clearance_queue.finish(_job_id bigint, _worker_id bigint) RETURNS boolean
LANGUAGE plpgsql SET search_path = clearance_queue, pg_temp SET enable_seqscan = off AS $$
DECLARE
    _lane text;
BEGIN
    PERFORM set_config('synchronous_commit', 'off', true);
    DELETE FROM procrastinate_jobs WHERE id = _job_id AND status = 'doing' AND worker_id = _worker_id
    RETURNING queue_name INTO _lane;
    RETURN EXISTS (SELECT FROM procrastinate_jobs AS job WHERE job.status = 'todo' AND job.queue_name = _lane);
END;
$$;

-- True if this worker is the one that sweeps, from now on for so many seconds, by the server's clock.
CREATE OR REPLACE FUNCTION clearance_queue.lead(_worker text, _seconds double precision) RETURNS boolean
LANGUAGE plpgsql SET search_path = clearance_queue, pg_temp AS $$
BEGIN
    PERFORM set_config('synchronous_commit', 'off', true);
    UPDATE sweeping SET worker = _worker, until = clock_timestamp() + make_interval(secs => _seconds)
    WHERE worker = _worker OR until < clock_timestamp();
    IF FOUND THEN
        RETURN true;
    END IF;
    INSERT INTO sweeping (worker, until) VALUES (_worker, clock_timestamp() + make_interval(secs => _seconds))
    ON CONFLICT DO NOTHING;
    RETURN FOUND;
END;
$$;
