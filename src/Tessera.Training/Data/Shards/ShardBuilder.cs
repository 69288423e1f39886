using System.Buffers.Binary;
using System.Runtime.ExceptionServices;
using System.Security.Cryptography;
using System.Text;
using System.Text.Json;
using Tessera.Models.Tokenizers;
using Tessera.Runs;

namespace Tessera.Training.Data.Shards;

/// <summary>
/// Tokenises a corpus into a folder of shards. Documents are gathered, encoded by several threads and written in their order; shard k
/// holds a run of consecutive documents, those held out in a file of their own, so the bytes depend on corpus, tokenizer and settings alone.
/// </summary>
/// <remarks>
/// Every finished shard is recorded with the place where the next begins. A process killed at any moment and started again repeats the
/// one unfinished shard and ends with the same bytes. Memory is bounded by the gathered documents (4 MiB, or one longer document), their
/// tokens, and 8 bytes for every document of a shard.
/// </remarks>
/// <param name="corpus">Documents.</param>
/// <param name="tokenizer">Tokenizer.</param>
/// <param name="settings">Sizes, ends, split.</param>
/// <param name="identity">Hash of what decides the corpus and the tokenizer beyond <paramref name="settings"/>.</param>
/// <param name="folder">Where the shards go.</param>
public sealed class ShardBuilder(ICorpus corpus, Tokenizer tokenizer, ShardSettings settings, string identity, string folder)
{
    /// <summary>Name of the record of finished shards; it is removed when the index is written.</summary>
    public const string ProgressName = "progress.jsonl";

    private const int MostBytes = 4 << 20;

    // A shard of very short documents is closed early, so that its offsets stay small in memory.
    private const long MostShardDocuments = 1 << 22;

    private readonly ShardHeader _layout = new()
    {
        Documents = 0,
        Tokens = 0,
        Vocabulary = tokenizer.VocabularySize,
        Begin = settings.Begin,
        End = settings.End,
        Tokenizer = VocabularyHash.Of(tokenizer),
        Data = new string('0', 2 * ShardHeader.HashBytes),
    };

    private readonly List<ShardProgress> _finished = [];
    private TokenShardWriter? _train;
    private TokenShardWriter? _validation;
    private long _empty;

    /// <summary>Most documents gathered at a time; speed and memory depend on it, the files do not.</summary>
    public int BatchDocuments { get; init; } = 4096;

    /// <summary>Called with documents, bytes and tokens that this process has encoded.</summary>
    public Action<long, long, long>? OnProgress { get; init; }

    /// <summary>Shards that an earlier process had finished.</summary>
    public int Resumed { get; private set; }

    /// <summary>Whether the folder was complete before.</summary>
    public bool WasComplete { get; private set; }

    private string Identity => ContentHash.OfNamed(new Dictionary<string, string>
    {
        ["corpus"] = identity,
        ["form"] = ShardIndex.CurrentVersion.ToString(System.Globalization.CultureInfo.InvariantCulture),
        ["tokenizer"] = _layout.Tokenizer,
        ["settings"] = FormattableString.Invariant(
            $"{settings.Begin}/{settings.End}/{settings.ShardTokens}/{settings.ValidationShare:R}"),
    });

    /// <summary>Makes the folder, or goes on with it.</summary>
    /// <exception cref="InvalidDataException">The corpus is damaged, or the folder belongs to other inputs or settings; one sentence.</exception>
    /// <exception cref="IOException">The disk is full, or another process is at work in the folder; one sentence.</exception>
    public ShardIndex Run()
    {
        Directory.CreateDirectory(folder);
        string progress = Path.Combine(folder, ProgressName);
        if (File.Exists(Path.Combine(folder, ShardIndex.FileName)))
        {
            return Complete(progress);
        }

        using (var log = JsonLinesLog.Open(progress, durable: true))
        {
            // Another process may have ended between the look and the lock.
            if (!File.Exists(Path.Combine(folder, ShardIndex.FileName)))
            {
                Restore(log, progress);
                try
                {
                    Tokenize(log);
                }
                finally
                {
                    _train?.Dispose();
                    _validation?.Dispose();
                }

                Index().Write(folder);
            }
        }

        return Complete(progress, wasComplete: false);
    }

    private ShardIndex Complete(string progress, bool wasComplete = true)
    {
        var index = ShardIndex.Read(folder);
        if (index.Identity != Identity)
        {
            throw OfOthers();
        }

        WasComplete = wasComplete;
        File.Delete(progress);
        File.Delete(progress + ".lock");
        return index;
    }

    private InvalidDataException OfOthers() =>
        new($"{folder}: belongs to other inputs, another tokenizer or other settings; choose another --out or remove it");

    private void Restore(JsonLinesLog log, string path)
    {
        var lines = JsonLinesLog.Read(path).ToList();
        if (lines.Count == 0)
        {
            log.Append(new ShardProgress { Identity = Identity }, ShardJson.Default.ShardProgress);
            return;
        }

        for (int i = 0; i < lines.Count; i++)
        {
            ShardProgress? row;
            try
            {
                row = lines[i].Deserialize(ShardJson.Default.ShardProgress);
            }
            catch (JsonException)
            {
                row = null;
            }

            if (row is null || row.Next.File < 0 || row.Next.File > corpus.Inputs.Count || row.Next.Offset < 0)
            {
                throw new InvalidDataException($"{path}: line {i + 1} is not the record of a shard; remove the folder and start again");
            }

            if (i == 0)
            {
                if (row.Identity != Identity)
                {
                    throw OfOthers();
                }

                continue;
            }

            foreach (var entry in (ShardEntry?[])[row.Train, row.Validation])
            {
                CheckFinished(entry);
            }

            _finished.Add(row);
            _empty = row.Empty;
        }

        Resumed = _finished.Count;
    }

    private void CheckFinished(ShardEntry? entry)
    {
        if (entry is null)
        {
            return;
        }

        using var shard = TokenShard.Open(Path.Combine(folder, Path.GetFileName(entry.File)));
        if (shard.Header.Data != entry.Sha256)
        {
            throw new InvalidDataException($"{shard.FilePath}: data checksum is {shard.Header.Data}, expected {entry.Sha256}; remove the folder and start again");
        }
    }

    private void Tokenize(JsonLinesLog log)
    {
        var place = _finished.Count > 0 ? _finished[^1].Next : default;
        var batch = new List<CorpusDocument>();
        long batchBytes = 0, documents = 0, bytes = 0, tokens = 0;
        void Encode()
        {
            foreach (var (ids, held, end) in EncodeAll(batch))
            {
                place = end;
                tokens += ids.Count;
                Append(ids, held);
                if (IsFull())
                {
                    Close(log, place);
                }
            }

            documents += batch.Count;
            bytes += batchBytes;
            OnProgress?.Invoke(documents, bytes, tokens);
            batch.Clear();
            batchBytes = 0;
        }

        foreach (var document in corpus.Read(place))
        {
            batch.Add(document);
            batchBytes += document.Bytes.Length;
            if (batch.Count >= BatchDocuments || batchBytes >= MostBytes)
            {
                Encode();
            }
        }

        Encode();
        if (_train is not null || _validation is not null)
        {
            Close(log, place);
        }
    }

    private IEnumerable<(List<int> Ids, bool Held, CorpusPosition End)> EncodeAll(List<CorpusDocument> batch)
    {
        var results = new (List<int> Ids, bool Held, Exception? Problem)[batch.Count];
        var options = new ParallelOptions { MaxDegreeOfParallelism = settings.Threads == 0 ? Environment.ProcessorCount : settings.Threads };
        StreamingEncoder Encoder() => new(tokenizer, addSpecialTokens: false);
        Parallel.For(0, batch.Count, options, Encoder, (i, _, encoder) =>
        {
            try
            {
                results[i] = Encode(batch[i], encoder);
                return encoder;
            }
            catch (InvalidDataException problem)
            {
                results[i].Problem = problem;
                return Encoder();
            }
        }, _ => { });
        for (int i = 0; i < results.Length; i++)
        {
            // The first bad document is the one to be told, whichever thread came first.
            if (results[i].Problem is { } problem)
            {
                ExceptionDispatchInfo.Throw(problem);
            }

            yield return (results[i].Ids, results[i].Held, batch[i].End);
        }
    }

    private (List<int> Ids, bool Held, Exception? Problem) Encode(CorpusDocument document, StreamingEncoder encoder)
    {
        string text = corpus.Text(document);
        var ids = new List<int>();
        if (settings.Begin is { } begin)
        {
            ids.Add(begin);
        }

        int lead = ids.Count;
        encoder.Append(text, ids);
        encoder.Finish(ids);
        if (ids.Count == lead)
        {
            return ([], false, null);
        }

        if (settings.End is { } end)
        {
            ids.Add(end);
        }

        return (ids, IsHeldOut(text), null);
    }

    /// <summary>By the text alone, so that a document falls on the same side in every corpus, at every place.</summary>
    private bool IsHeldOut(string text)
    {
        if (settings.ValidationShare <= 0)
        {
            return false;
        }

        Span<byte> hash = stackalloc byte[ShardHeader.HashBytes];
        SHA256.HashData(Encoding.UTF8.GetBytes(text), hash);
        return BinaryPrimitives.ReadUInt64BigEndian(hash) * Math.ScaleB(1, -64) < settings.ValidationShare;
    }

    private bool IsFull() => (_train?.Tokens ?? 0) + (_validation?.Tokens ?? 0) >= settings.ShardTokens
        || (_train?.Documents ?? 0) + (_validation?.Documents ?? 0) >= MostShardDocuments;

    private void Append(List<int> ids, bool held)
    {
        if (ids.Count == 0)
        {
            _empty++;
            return;
        }

        ref var writer = ref (held ? ref _validation : ref _train);
        writer ??= new TokenShardWriter(Path.Combine(folder, FileName(held ? "validation" : "train")), _layout);
        writer.Append(System.Runtime.InteropServices.CollectionsMarshal.AsSpan(ids));
    }

    private string FileName(string split) => FormattableString.Invariant($"{split}-{_finished.Count:00000}.tokens");

    private void Close(JsonLinesLog log, CorpusPosition next)
    {
        var row = new ShardProgress
        {
            Next = next,
            Empty = _empty,
            Train = Finish(ref _train, "train"),
            Validation = Finish(ref _validation, "validation"),
        };
        log.Append(row, ShardJson.Default.ShardProgress);
        _finished.Add(row);
    }

    private ShardEntry? Finish(ref TokenShardWriter? writer, string split)
    {
        if (writer is null)
        {
            return null;
        }

        var header = writer.Finish();
        writer.Dispose();
        writer = null;
        return new ShardEntry(FileName(split), header.Documents, header.Tokens, header.Data);
    }

    private ShardIndex Index() => new()
    {
        Identity = Identity,
        Tokenizer = _layout.Tokenizer,
        Vocabulary = _layout.Vocabulary,
        Begin = settings.Begin,
        End = settings.End,
        ValidationShare = settings.ValidationShare,
        Empty = _empty,
        Train = [.. _finished.Select(row => row.Train).OfType<ShardEntry>()],
        Validation = [.. _finished.Select(row => row.Validation).OfType<ShardEntry>()],
        Inputs = corpus.Inputs,
    };
}
