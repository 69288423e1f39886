using System.Text.Json;
using Tessera.Evaluation.Problems;
using Tessera.Runs;
using Tessera.Tasks;

namespace Tessera.Cli.Data;

/// <summary>
/// Where an evaluation keeps every sample, <c>MODEL.MODE.jsonl</c>, its settings, <c>protocol.json</c>, and its result,
/// <c>result.json</c>. Without a folder nothing is kept.
/// </summary>
internal sealed class EvaluationFolder : IDisposable
{
    private readonly string? _path;
    private readonly Dictionary<string, JsonLinesLog> _logs = [];

    private EvaluationFolder(string? path) => _path = path;

    /// <summary>Makes the folder, or opens one of the same settings.</summary>
    /// <exception cref="InvalidDataException">It belongs to an evaluation with other settings; the sentence names one.</exception>
    public static EvaluationFolder Open(string? path, SortedDictionary<string, string> protocol)
    {
        if (path is null)
        {
            return new EvaluationFolder(null);
        }

        Directory.CreateDirectory(path);
        string file = Path.Combine(path, "protocol.json");
        if (File.Exists(file))
        {
            var found = JsonSerializer.Deserialize<SortedDictionary<string, string>>(File.ReadAllText(file))
                ?? throw new InvalidDataException($"{file}: expected an object of settings");
            string? other = protocol.Keys.Union(found.Keys)
                .FirstOrDefault(key => protocol.GetValueOrDefault(key) != found.GetValueOrDefault(key));
            if (other is not null)
            {
                throw new InvalidDataException(
                    $"{file}: belongs to an evaluation whose '{other}' is '{found.GetValueOrDefault(other)}', here it is "
                    + $"'{protocol.GetValueOrDefault(other)}'; choose another --out or remove the folder");
            }
        }
        else
        {
            AtomicFile.WriteAllText(file, JsonSerializer.Serialize(protocol));
        }

        return new EvaluationFolder(path);
    }

    /// <summary>Samples that are there already: those of the first problems, every one complete.</summary>
    public List<ProblemSample> Read(string model, PromptMode mode, int samples, List<Problem> problems)
    {
        if (_path is null)
        {
            return [];
        }

        string file = FileOf(model, mode);
        var rows = new List<ProblemSample>();
        foreach (var element in JsonLinesLog.Read(file))
        {
            var row = element.Deserialize(EvaluationJson.Default.ProblemSample);
            int problem = rows.Count / samples;
            if (row is null || problem >= problems.Count || row.Index != problem || row.Sample != rows.Count % samples
                || row.Question != problems[problem].Question)
            {
                throw new InvalidDataException($"{file}: line {rows.Count + 1} is not the sample that belongs there");
            }

            rows.Add(row);
        }

        // A problem whose samples are not all there is sampled again as a whole.
        int whole = rows.Count / samples * samples;
        rows.RemoveRange(whole, rows.Count - whole);
        Log(model, mode).KeepFirst(whole);
        return rows;
    }

    /// <summary>Keeps samples.</summary>
    public void Append(string model, PromptMode mode, IEnumerable<ProblemSample> samples)
    {
        if (_path is null)
        {
            return;
        }

        foreach (var sample in samples)
        {
            Log(model, mode).Append(sample, EvaluationJson.Default.ProblemSample);
        }
    }

    /// <summary>Keeps the result.</summary>
    public void Write(EvaluationResult result)
    {
        if (_path is not null)
        {
            AtomicFile.WriteAllText(
                Path.Combine(_path, "result.json"), JsonSerializer.Serialize(result, EvaluationJson.Default.EvaluationResult));
        }
    }

    public void Dispose()
    {
        foreach (var log in _logs.Values)
        {
            log.Dispose();
        }
    }

    private string FileOf(string model, PromptMode mode) => Path.Combine(_path!, $"{model}.{mode.ToString().ToLowerInvariant()}.jsonl");

    private JsonLinesLog Log(string model, PromptMode mode)
    {
        string file = FileOf(model, mode);
        if (!_logs.TryGetValue(file, out var log))
        {
            _logs.Add(file, log = JsonLinesLog.Open(file));
        }

        return log;
    }
}
