using Tessera.Alignment.Rollouts;
using Tessera.Runs;

namespace Tessera.Alignment.Runs;

/// <summary>Every response of a run with its text, its reward and its advantage, one JSON line each: <c>samples.jsonl</c>.</summary>
public sealed class SampleLog : IDisposable
{
    private readonly JsonLinesLog _log;

    private SampleLog(JsonLinesLog log) => _log = log;

    /// <summary>Opens a file for appending; samples from step <paramref name="firstStep"/> on, written behind a checkpoint, are dropped.</summary>
    /// <exception cref="InvalidDataException">A line is not a sample.</exception>
    public static SampleLog Open(string path, int firstStep)
    {
        var log = JsonLinesLog.Open(path);
        try
        {
            int line = 0;
            log.KeepFirst(JsonLinesLog.Read(path).TakeWhile(row =>
            {
                line++;
                return row.ValueKind == System.Text.Json.JsonValueKind.Object && row.TryGetProperty("step", out var step)
                    && step.TryGetInt32(out int number)
                    ? number < firstStep
                    : throw new InvalidDataException($"{path}: line {line} is not a sample with a step");
            }).Count());
            return new SampleLog(log);
        }
        catch
        {
            log.Dispose();
            throw;
        }
    }

    /// <summary>Writes all samples of a step.</summary>
    public void Write(RolloutBatch rollout)
    {
        for (int number = 0; number < rollout.Groups.Count; number++)
        {
            var group = rollout.Groups[number];
            for (int sample = 0; sample < group.Responses.Count; sample++)
            {
                Write(rollout.Step, number, sample, group, group.Responses[sample]);
            }
        }
    }

    /// <inheritdoc />
    public void Dispose() => _log.Dispose();

    private void Write(int step, int number, int sample, RolloutGroup group, JudgedResponse judged) => _log.Append(writer =>
    {
        writer.WriteStartObject();
        writer.WriteNumber("step", step);
        writer.WriteNumber("number", number);
        writer.WriteNumber("sample", sample);
        writer.WriteString("prompt", group.Prompt.Id);
        writer.WriteString("label", group.Prompt.Label);
        writer.WriteString("text", judged.Text);
        writer.WriteNumber("tokens", judged.Response.Ids.Length);
        writer.WriteBoolean("finished", judged.Reward.IsFinished);
        writer.WriteNumber("accuracy", judged.Reward.Accuracy);
        writer.WriteNumber("format", judged.Reward.Format);
        writer.WriteNumber("reward", judged.Reward.Total);
        writer.WriteNumber("advantage", group.Advantages[sample]);
        writer.WriteEndObject();
    });
}
