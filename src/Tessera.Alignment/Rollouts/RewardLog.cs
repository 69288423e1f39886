using System.Text.Json.Serialization;
using Tessera.Alignment.Rewards;
using Tessera.Runs;

namespace Tessera.Alignment.Rollouts;

/// <summary>Rewards recorded when they were first given: a resumed run replays them and never judges twice.</summary>
/// <remarks>
/// A record of <c>rewards.jsonl</c> is one prompt of one step with all its samples: key <c>STEP/NUMBER</c>, value the prompt's id
/// and, for each sample, the hash of its tokens and the parts of its reward. A replayed reward belongs to the tokens that it was
/// given for; other tokens under the same key are an error.
/// </remarks>
public sealed class RewardLog : IDisposable
{
    private const string IdentityKey = "identity";
    private readonly string _path;
    private readonly RecordedTable _table;

    private RewardLog(string path, RecordedTable table) => (_path, _table) = (path, table);

    /// <summary>Opens the rewards of a run.</summary>
    /// <param name="path">The file.</param>
    /// <param name="identity">Hash of everything that decides the run.</param>
    /// <exception cref="InvalidDataException">The file is damaged or belongs to a run with other settings.</exception>
    public static RewardLog Open(string path, string identity)
    {
        var table = RecordedTable.Open(path);
        string found;
        try
        {
            found = table.GetOrAdd(IdentityKey, RewardJson.Default.String, () => identity);
        }
        catch
        {
            table.Dispose();
            throw;
        }

        if (found != identity)
        {
            table.Dispose();
            throw new InvalidDataException(
                $"{path}: these rewards belong to a run with other settings; choose another --out or remove the folder");
        }

        return new RewardLog(path, table);
    }

    /// <summary>The recorded rewards of a prompt's responses, or those that <paramref name="judge"/> gives, recorded.</summary>
    /// <param name="step">Number of the step.</param>
    /// <param name="number">Number of the prompt in the step.</param>
    /// <param name="prompt">The prompt's id.</param>
    /// <param name="responses">Its responses.</param>
    /// <param name="judge">Gives the reward of a response.</param>
    /// <exception cref="InvalidDataException">What is recorded was given for other responses.</exception>
    public Reward[] GetOrJudge(
        int step, int number, string prompt, IReadOnlyList<SampledResponse> responses, Func<SampledResponse, Reward> judge)
    {
        string[] hashes = [.. responses.Select(response => Hash(response.Ids))];
        var record = _table.GetOrAdd($"{step}/{number}", RewardJson.Default.RewardRecord, () => new RewardRecord(
            prompt, [.. responses.Select((response, sample) => SampleRecord.Of(hashes[sample], judge(response)))]));
        if (record.Prompt != prompt || record.Samples.Length != hashes.Length)
        {
            throw new InvalidDataException(
                $"{_path}: step {step} has {record.Samples.Length} samples of prompt {record.Prompt} in place {number}, this run has "
                + $"{hashes.Length} of {prompt}");
        }

        for (int sample = 0; sample < hashes.Length; sample++)
        {
            if (record.Samples[sample].Response != hashes[sample])
            {
                throw new InvalidDataException(
                    $"{_path}: step {step}, prompt {prompt}, sample {sample}: the recorded reward was given for another response "
                    + $"(hash {record.Samples[sample].Response}, now {hashes[sample]}); the run was made with other weights or on a "
                    + "machine with other instructions");
            }
        }

        return [.. record.Samples.Select(sample => sample.ToReward())];
    }

    /// <inheritdoc />
    public void Dispose() => _table.Dispose();

    /// <summary>Hash of a response's tokens.</summary>
    public static string Hash(IEnumerable<int> ids) => ContentHash.Short(ContentHash.OfText(string.Join(',', ids)));
}

/// <summary>The rewards of a prompt's samples, as recorded.</summary>
internal sealed record RewardRecord(string Prompt, SampleRecord[] Samples);

/// <summary>The reward of a sample, as recorded.</summary>
internal sealed record SampleRecord(string Response, double Accuracy, double Format, bool Finished, double Penalty)
{
    public static SampleRecord Of(string hash, Reward reward) =>
        new(hash, reward.Accuracy, reward.Format, reward.IsFinished, reward.LengthPenalty);

    public Reward ToReward() => new(Accuracy, Format, Finished, Penalty);
}

[JsonSourceGenerationOptions(PropertyNamingPolicy = JsonKnownNamingPolicy.SnakeCaseLower)]
[JsonSerializable(typeof(RewardRecord))]
[JsonSerializable(typeof(string))]
internal sealed partial class RewardJson : JsonSerializerContext;
