using System.Text.Json;
using System.Text.Json.Serialization;
using Tessera.Alignment.Rollouts;
using Tessera.Runs;

namespace Tessera.Alignment.Curriculum;

/// <summary>Estimates how often the policy solves each prompt, and keeps what it finds.</summary>
/// <remarks>
/// A record of <c>pass-rates.jsonl</c> is one prompt: key its id, value the counts. Prompts are sampled in fixed groups; a group of
/// which a record is missing is sampled as a whole, so that a killed estimation ends with the records of one left alone.
/// A response is right if it is finished, in the right form, and right.
/// </remarks>
public static class PassRateEstimation
{
    private const string IdentityKey = "identity";
    private const int PromptsAtOnce = 32;

    // Keeps these draws apart from those of every step, which count from 1.
    private const int SeedStep = 0;

    /// <summary>Estimates all prompts, or reads what is recorded.</summary>
    /// <param name="path">The file of records.</param>
    /// <param name="pool">Hash of what the prompts' names mean: tasks, levels, seed.</param>
    /// <param name="identity">Hash of the rest that decides the estimate: model, limits, seed.</param>
    /// <param name="prompts">Names of the prompts.</param>
    /// <param name="samples">Responses a prompt.</param>
    /// <param name="seed">Seed of the draws.</param>
    /// <param name="sampler">Draws from the model.</param>
    /// <param name="environment">Prompts and verdicts.</param>
    /// <param name="onProgress">Called with the number of prompts done, if not null.</param>
    /// <exception cref="InvalidDataException">The records belong to other settings.</exception>
    public static IReadOnlyList<PassRate> Estimate(
        string path, string pool, string identity, IReadOnlyList<string> prompts, int samples, ulong seed, IResponseSampler sampler,
        IRolloutEnvironment environment, Action<int>? onProgress = null)
    {
        using var table = RecordedTable.Open(path);
        var own = new PassRateIdentity(pool, identity);
        if (table.GetOrAdd(IdentityKey, PassRateJson.Default.PassRateIdentity, () => own) != own)
        {
            throw new InvalidDataException($"{path}: these pass rates belong to other settings; choose another --out or remove the file");
        }

        for (int first = 0; first < prompts.Count; first += PromptsAtOnce)
        {
            int count = Math.Min(PromptsAtOnce, prompts.Count - first);
            if (Enumerable.Range(first, count).Any(number => !table.TryGet(prompts[number], out _)))
            {
                Sample(table, prompts, first, count, samples, seed, sampler, environment);
            }

            onProgress?.Invoke(first + count);
        }

        return [.. prompts.Select(id => Rate(table, id))];
    }

    /// <summary>The rates in a file of records, made by any model.</summary>
    /// <param name="path">The file.</param>
    /// <param name="pool">Hash of what the prompts' names mean here.</param>
    /// <exception cref="InvalidDataException">A line is no such record, or the names mean other prompts.</exception>
    public static IReadOnlyList<PassRate> Read(string path, string pool)
    {
        if (!File.Exists(path))
        {
            throw new InvalidDataException($"{path}: there is no such file of pass rates");
        }

        var rates = new List<PassRate>();
        int line = 0;
        foreach (var record in JsonLinesLog.Read(path))
        {
            line++;
            string? key = record.ValueKind == JsonValueKind.Object && record.TryGetProperty("key", out var id)
                && id.ValueKind == JsonValueKind.String ? id.GetString() : null;
            if (key == IdentityKey)
            {
                CheckPool(path, record, pool);
                continue;
            }

            if (key is null || !record.TryGetProperty("value", out var value) || !TryCounts(value, out int correct, out int samples))
            {
                throw new InvalidDataException(
                    $"{path}: line {line} is not a pass rate; expected a key and a value with 0 <= correct <= samples");
            }

            rates.Add(new PassRate(key, correct, samples));
        }

        return rates;
    }

    private static void CheckPool(string path, JsonElement record, string pool)
    {
        if (!record.TryGetProperty("value", out var identity) || identity.ValueKind != JsonValueKind.Object
            || !identity.TryGetProperty("pool", out var found) || found.ValueKind != JsonValueKind.String || found.GetString() != pool)
        {
            throw new InvalidDataException($"{path}: these pass rates are of other problems; give the tasks, levels and seed that they were made with");
        }
    }

    private static bool TryCounts(JsonElement value, out int correct, out int samples)
    {
        (correct, samples) = (0, 0);
        return value.ValueKind == JsonValueKind.Object
            && value.TryGetProperty("correct", out var right) && right.ValueKind == JsonValueKind.Number && right.TryGetInt32(out correct)
            && value.TryGetProperty("samples", out var all) && all.ValueKind == JsonValueKind.Number && all.TryGetInt32(out samples)
            && correct >= 0 && samples >= 1 && correct <= samples;
    }

    private static void Sample(
        RecordedTable table, IReadOnlyList<string> prompts, int first, int count, int samples, ulong seed, IResponseSampler sampler,
        IRolloutEnvironment environment)
    {
        var responses = sampler.Sample(
        [
            .. Enumerable.Range(first, count).SelectMany(number => Enumerable.Range(0, samples).Select(sample => new SampleRequest(
                environment.Prompt(prompts[number]).Ids, RolloutCollector.SampleSeed(seed, SeedStep, number, sample)))),
        ]);
        for (int i = 0; i < count; i++)
        {
            string id = prompts[first + i];
            int correct = responses.Skip(i * samples).Take(samples)
                .Select(response => environment.Judge(id, response, environment.Text(response)))
                .Count(reward => reward.IsFinished && reward.Accuracy * reward.Format >= 1);
            table.GetOrAdd(id, PassRateJson.Default.PassRateRecord, () => new PassRateRecord(correct, samples));
        }
    }

    private static PassRate Rate(RecordedTable table, string id)
    {
        table.TryGet(id, out var value);
        return TryCounts(value, out int correct, out int samples)
            ? new PassRate(id, correct, samples)
            : throw new InvalidDataException($"the pass rate of prompt {id} is damaged: {value}");
    }
}

/// <summary>What the records of a file are about.</summary>
internal sealed record PassRateIdentity(string Pool, string Rest);

/// <summary>Counts of a prompt, as recorded.</summary>
internal sealed record PassRateRecord(int Correct, int Samples);

[JsonSourceGenerationOptions(PropertyNamingPolicy = JsonKnownNamingPolicy.SnakeCaseLower)]
[JsonSerializable(typeof(PassRateRecord))]
[JsonSerializable(typeof(PassRateIdentity))]
internal sealed partial class PassRateJson : JsonSerializerContext;
