%% Closes the connections of an account that hold more than 64 MiB in all, and 2 MiB more for each of them.
%% RabbitMQ has no limit for what an AMQP transaction holds before its commit, nor for returned messages that their
%% publisher does not read. docker-compose.yml has the broker compile and start this module.
-module(account_memory).
-export([start/0]).

-define(MIB, (1024 * 1024)).
-define(LIMIT(Connections), ((64 + 2 * Connections) * ?MIB)).

start() -> spawn_opt(fun() -> watch(starting) end, [{priority, high}]).

%% A check takes 2 ms with few connections and 25 ms with 120. The process sleeps twenty times as long, so that checks use
%% at most a twentieth of one processor.
watch(Before) ->
    {Micros, Now} = timer:tc(fun() -> try check() catch error:Reason -> {failed, Reason} end end),
    Now =:= Before orelse logger:notice("account_memory: ~p", [Now]),
    timer:sleep(max(100, min(500, Micros div 50))),
    watch(Now).

check() ->
    case rabbit:is_running() of
        true ->
            Readers = readers(),
            Held = held(Readers),
            [check(Account, Of, maps:get(Account, Held, [])) || {Account, Of} <- maps:to_list(by_account(Readers))],
            watching;
        false -> starting
    end.

check(Account, Readers, Processes) ->
    Limit = ?LIMIT(length(Readers)),
    Above = fun() -> Sum = lists:sum(lists:map(fun bytes/1, Processes)), Sum > Limit andalso Sum end,
    Above() =/= false andalso begin
        lists:foreach(fun erlang:garbage_collect/1, Processes),
        Sum = Above(),
        Sum =/= false andalso close(Account, Readers, Processes -- Readers, Sum)
    end.

%% A channel or writer that ends by itself logs what it holds; one that is killed does not. A killed reader would leave
%% its connection counted against the account's limit.
close(Account, Readers, Others, Sum) ->
    logger:error("account_memory closes the connections of ~ts: they hold ~b MiB", [Account, Sum div ?MIB]),
    [exit(Process, kill) || Process <- Others, bytes(Process) > ?MIB],
    [spawn(rabbit_networking, close_connection, [Reader, "too much memory"]) || Reader <- Readers].

%% The bytes of a process and of the binaries that it refers to. The binaries of messages that wait for it count only
%% after a garbage collection.
bytes(Process) ->
    case erlang:process_info(Process, message_queue_len) of
        {_, Waiting} when Waiting > 50 -> erlang:garbage_collect(Process);
        _ -> ok
    end,
    case erlang:process_info(Process, [memory, binary]) of
        [{memory, Own}, {binary, Binaries}] -> Own + lists:sum([Size || {_, Size, _} <- lists:usort(Binaries)]);
        undefined -> 0
    end.

%% [{Account, Reader}], a pair for each connection: username and pid of #tracked_connection{} in rabbit.hrl.
readers() -> [{element(11, It), element(6, It)} || It <- rabbit_connection_tracking:list_on_node(node())].

%% #{Account => [Process]}: the supervisor of a connection is above its reader, its channels and its writers.
held(Readers) ->
    Owners = #{Above => Account || {Account, Reader} <- Readers, Above <- lists:sublist(supervisors(Reader), 1)},
    by_account([{Account, Process} || Process <- erlang:processes(), Above <- supervisors(Process),
                                      {ok, Account} <- [maps:find(Above, Owners)]]).

%% The supervisors above a process, the nearest first.
supervisors(Process) ->
    case erlang:process_info(Process, {dictionary, '$ancestors'}) of
        {_, Above} when is_list(Above) -> [It || It <- Above, is_pid(It)];
        _ -> []
    end.

by_account(Pairs) -> maps:groups_from_list(fun({Account, _}) -> Account end, fun({_, Pid}) -> Pid end, Pairs).
