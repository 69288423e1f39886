using Tessera.Models.Configuration;
using Tessera.Models.Tokenizers;
using Tessera.Tasks;
using Tessera.Training.Data;
using Tessera.Training.Data.Blends;
using Tessera.Training.Data.Shards;

namespace Tessera.Cli.Data.Blends;

/// <summary>A blend with its sources open: what is trained on, and what is held out of it.</summary>
internal sealed class OpenBlend : IDisposable
{
    private const ulong ValidationSeed = 0x7A11D;

    private readonly BlendPlan _plan;
    private readonly ModelConfiguration _model;
    private readonly Tokenizer _tokenizer;
    private readonly int _maxLength;
    private readonly ShardFolder?[] _folders;
    private readonly TextSplit?[] _texts;

    /// <summary>Opens the sources.</summary>
    /// <exception cref="InvalidDataException">A source is missing, damaged, or was made with another tokenizer; one sentence.</exception>
    public OpenBlend(BlendPlan plan, ModelConfiguration model, Tokenizer tokenizer, int maxLength)
    {
        (_plan, _model, _tokenizer, _maxLength) = (plan, model, tokenizer, maxLength);
        _folders = new ShardFolder?[plan.Sources.Count];
        _texts = new TextSplit?[plan.Sources.Count];
        try
        {
            string? vocabulary = null;
            for (int i = 0; i < plan.Sources.Count; i++)
            {
                var source = plan.Sources[i];
                if (source.Shards is { } folder)
                {
                    _folders[i] = ShardFolder.Open(folder);
                    _folders[i]!.RequireTokenizer(vocabulary ??= VocabularyHash.Of(tokenizer));
                }
                else if (source.Tasks is null)
                {
                    _texts[i] = TextSplit.Of(TextFiles.ReadDocuments(source.Text));
                }
            }
        }
        catch
        {
            Dispose();
            throw;
        }
    }

    /// <summary>The blend of what is not held out.</summary>
    /// <param name="seed">Seed of the sources' orders and of generated problems.</param>
    public BlendSource Training(ulong seed) => new(
        [.. _plan.Sources.Select((source, i) => Part(source, TrainingPart(i, seed)))], _plan.Phases);

    /// <summary>
    /// Held-out batches: of every source its share of the tokens by the weights of the last phase, none twice; fewer where a source has fewer.
    /// </summary>
    /// <exception cref="InvalidDataException">No source has anything held out.</exception>
    public List<PackedBatch> HeldOut(int batchTokens, long tokens)
    {
        var batches = new List<PackedBatch>();
        if (tokens == 0)
        {
            return batches;
        }

        var weights = _plan.Phases[^1].Weights;
        for (int i = 0; i < _plan.Sources.Count; i++)
        {
            long share = (long)Math.Ceiling(tokens * weights[i] / weights.Sum());
            if (share == 0)
            {
                continue;
            }

            if (HeldOutPart(i) is not var (documents, count))
            {
                Console.Error.WriteLine($"tessera: source '{_plan.Sources[i].Name}' has no held-out documents");
                continue;
            }

            batches.AddRange(new BatchPacker(documents, batchTokens, _maxLength) { EndDocument = count }.Take(share));
        }

        return batches.Count > 0
            ? batches
            : throw new InvalidDataException(
                $"{_plan.Sources[0].Shards ?? _plan.Sources[0].Name}: nothing is held out; give --validation-tokens 0, or tokenize with a larger --validation-share");
    }

    /// <inheritdoc />
    public void Dispose()
    {
        foreach (var folder in _folders)
        {
            folder?.Dispose();
        }
    }

    private static BlendPart Part(BlendSourcePlan source, (IDocumentSource Documents, long? Count) part) => new(source.Name, part.Documents, part.Count);

    private (IDocumentSource Documents, long? Count) TrainingPart(int source, ulong seed)
    {
        var plan = _plan.Sources[source];
        if (_folders[source] is { } folder)
        {
            var shards = folder.Train.Count > 0
                ? new ShardDocuments(folder.Train, _model.BosTokenId, _maxLength, seed)
                : throw new InvalidDataException($"{folder.FullPath}: no document is left to train on, all are held out");
            return (shards, shards.Count);
        }

        if (_texts[source] is { } texts)
        {
            var text = new TextSource(_tokenizer, texts.Training, _model.BosTokenId, _maxLength, seed);
            return (text, text.Count);
        }

        return (new TaskDocuments(_tokenizer, Commands.TasksCommand.Source(ProblemSplit.Training, seed, plan.Tasks, plan.Levels), _model), null);
    }

    private (IDocumentSource Documents, long Count)? HeldOutPart(int source)
    {
        var plan = _plan.Sources[source];
        if (_folders[source] is { } folder)
        {
            if (folder.Validation.Count == 0)
            {
                return null;
            }

            var shards = new ShardDocuments(folder.Validation, _model.BosTokenId, _maxLength, 0);
            return (shards, shards.Count);
        }

        if (_texts[source] is { } texts)
        {
            var text = new TextSource(_tokenizer, texts.HeldOut, _model.BosTokenId, _maxLength, 0);
            return (text, text.Count);
        }

        return (new TaskDocuments(_tokenizer, Commands.TasksCommand.Source(ProblemSplit.Evaluation, ValidationSeed, plan.Tasks, plan.Levels), _model), long.MaxValue);
    }
}
