<?php
// Ask for a list, read the answer, take the file (`ask COMMUNE`); verify a webhook (`verify ID TIMESTAMP SIGNATURE`).
declare(strict_types=1);

require 'PhpAmqpLib/autoload.php';

use PhpAmqpLib\Connection\AMQPStreamConnection;
use PhpAmqpLib\Message\AMQPMessage;

function follows_schema(string $event): bool
{
    $file = tempnam(sys_get_temp_dir(), 'event');
    file_put_contents($file, $event);
    exec('check-jsonschema --schemafile ' . escapeshellarg(getenv('SCHEMA')) . ' ' . escapeshellarg($file), $_, $code);
    unlink($file);
    return $code === 0;
}

function ask(string $commune): void
{
    $id = bin2hex(random_bytes(16));
    $event = [
        'specversion' => '1.0',
        'id' => $id,
        'source' => '/examples/php',
        'type' => 'fr.openelec.prefecture.request.liste_export.v1',
        'time' => gmdate('Y-m-d\TH:i:s\Z'),
        'data' => ['commune' => $commune, 'listes' => ['CE'], 'formats' => ['csv'], 'requested_by' => 'stranger'],
    ];
    $body = json_encode($event, JSON_THROW_ON_ERROR);
    if (!follows_schema($body) || follows_schema(json_encode(['data' => ['commune' => 'LIBREVILLE']] + $event))) {
        throw new RuntimeException('the schema does not tell a right event from a wrong one');
    }
    $at = parse_url(getenv('PREFECTURE_AMQP_URL'));
    $vhost = urldecode(substr($at['path'], 1));
    $connection = new AMQPStreamConnection($at['host'], $at['port'], $at['user'], urldecode($at['pass']), $vhost);
    $channel = $connection->channel();
    $channel->confirm_select();
    $channel->basic_publish(new AMQPMessage($body, [
        'content_type' => 'application/cloudevents+json; charset=utf-8',
        'delivery_mode' => AMQPMessage::DELIVERY_MODE_PERSISTENT,
        'user_id' => $at['user'],
    ]), 'prefecture', 'programs.' . $at['user'] . '.' . $event['type'], mandatory: true);
    $channel->wait_for_pending_acks_returns(10);
    $said = [];
    while (!isset($said['accepted'], $said['ready'])) {
        $message = $channel->basic_get(getenv('QUEUE'), no_ack: true);
        if ($message === null) {
            usleep(100_000);
            continue;
        }
        $heard = json_decode($message->getBody(), true, flags: JSON_THROW_ON_ERROR);
        if ($heard['data']['request']['id'] === $id) {
            $said[$heard['data']['status']] = $heard['data'];
        }
    }
    $connection->close();
    $with = stream_context_create(['http' => ['header' => 'Authorization: Bearer ' . getenv('TOKEN')]]);
    $file = file_get_contents($said['ready']['file']['url'], false, $with);
    $files = count($said['accepted']['exports']);
    echo implode(' ', [$id, $files, $said['ready']['file']['sha256'], hash('sha256', $file)]), "\n";
}

function verify(string $id, string $timestamp, string $signatures): void
{
    $body = stream_get_contents(STDIN);
    $key = base64_decode(substr(getenv('SECRET'), strlen('whsec_')));
    $expected = 'v1,' . base64_encode(hash_hmac('sha256', "$id.$timestamp.$body", $key, true));
    $proves = array_filter(explode(' ', $signatures), fn ($one) => hash_equals($expected, $one));
    if (!$proves || abs(time() - (int) $timestamp) > 300) {
        throw new RuntimeException('the signature does not prove it');
    }
    echo count(json_decode($body, true, flags: JSON_THROW_ON_ERROR)), "\n";
}

$argv[1](...array_slice($argv, 2));
