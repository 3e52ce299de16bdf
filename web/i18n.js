/** The page's words in English and Chinese. */

const words = {
  en: {
    app: 'Chat', username: 'Username', nickname: 'Nickname', email: 'Email', password: 'Password', login: 'Log in', register: 'Register',
    toRegister: 'No account yet? Register', toLogin: 'Have an account? Log in', logout: 'Log out', language: '切换到中文', rooms: 'Rooms',
    newDirect: 'New chat', newGroup: 'New group', findRoom: 'Find a room', noRooms: 'No rooms yet. Start a chat, make a group, or find a public room.',
    pickRoom: 'Pick a room.', members: 'Members', messages: 'Messages', older: 'Load older messages', write: 'Write a message', send: 'Send',
    search: 'Search', chosen: 'Chosen people', roomName: 'Name', publicRoom: 'Public: anybody can find and join it', invite: 'Invite people',
    leave: 'Leave the room', close: 'Close', ok: 'OK', back: 'Back to the rooms', remove: 'Remove {name}', add: 'Add {name}', kick: 'Remove from the room',
    pending: 'sending…', sent: 'sent', read: 'read', failed: 'not sent', retry: 'Retry', nobody: 'Nothing found.', you: 'you',
    unread: '{n} unread', online: 'online', offline: 'offline', unknown: 'presence unknown', lastSeen: 'last seen {t}', memberCount: '{n} members', memberCount1: '1 member',
    typing1: '{a} is typing…', typing2: '{a} and {b} are typing…', typingMany: 'Several people are typing…',
    today: 'Today', yesterday: 'Yesterday', newLine: 'New messages', toNewest: 'Newest messages', newCount: '{n} new messages', newCount1: '1 new message',
    edit: 'Edit', save: 'Save', cancel: 'Cancel', editing: 'You are editing a message.', reply: 'Reply', replying: 'Reply to {name}:', react: 'React', reactions: 'Reactions',
    pin: 'Pin', unpin: 'Unpin', pinned: 'pinned', pins: 'Pins', noPins: 'Nothing is pinned here.', show: 'Show', showOf: 'Show “{text}”', unpinOf: 'Unpin “{text}”', notHere: 'The message can’t be shown here.',
    recall: 'Recall', recallSure: 'The message is taken back for everybody, and for good.', actionsOf: 'Actions for the message of {name}: {text}', actionsOwn: 'Actions for your message: {text}',
    messageOf: 'Message of {name}', ownMessage: 'Your message',
    earlier: 'An earlier message', saving: 'saving…', notChanged: 'Not changed:', dismiss: 'Dismiss',
    edited: 'edited', recalled: 'Message recalled', bytesUsed: '{n} of {max} bytes', bytesOver: 'The message is too long: {n} of {max} bytes.', tooLong: 'The message is too long.',
    connecting: 'Connecting…', waiting: 'No connection. Trying again…', stopped: 'Disconnected.', elsewhere: 'This login has too many connections, or was opened elsewhere.',
    sessionEnded: 'The session has ended. Log in again.', user: 'User {id}', role_owner: 'owner', role_admin: 'admin', role_member: '', resynced: 'The room was reloaded.',
    sys_created: '{by} made the room', sys_joined: '{users} joined', sys_added: '{by} added {users}', sys_left: '{users} left', sys_removed: '{by} removed {users}',
    sys_renamed: '{by} renamed the room to “{name}”', sys_updated: '{by} changed the room', sys_role: '{by} changed the role of {users}', sys_owner: '{users} now owns the room',
    sys_muted: '{by} muted {users}', sys_unmuted: '{by} unmuted {users}', sys_dissolved: '{by} dissolved the room', sys_said: '{text}', sys_other: 'The room changed ({event})',
    reason_left: 'You left the room.', reason_kicked: 'You were removed from the room.', reason_dissolved: 'The room was dissolved.',
    err_unavailable: 'The service can’t be reached. Try again.', err_invalid: 'Something in the form is not right.', err_unauthenticated: 'Wrong name or password.',
    err_username_taken: 'This username is taken.', err_email_taken: 'This email address is taken.', err_rate_limited: 'Too many tries. Wait a moment.', err_muted: 'You are muted here.',
    err_forbidden: 'You may not do this.', err_not_found: 'Not found.', err_too_large: 'The message is too long.', err_room_full: 'The room is full.', err_timeout: 'No answer in time.',
    err_conflict: 'That isn’t possible any more.', err_limit_reached: 'The limit is reached.', err_stopped: 'There is no connection.',
  },
  zh: {
    app: '聊天', username: '用户名', nickname: '昵称', email: '邮箱', password: '密码', login: '登录', register: '注册',
    toRegister: '还没有账号？注册', toLogin: '已有账号？登录', logout: '退出登录', language: 'Switch to English', rooms: '聊天室',
    newDirect: '发起单聊', newGroup: '新建群聊', findRoom: '查找聊天室', noRooms: '还没有聊天室。可以发起单聊、新建群聊，或查找公开的聊天室。',
    pickRoom: '请选择一个聊天室。', members: '成员', messages: '消息', older: '加载更早的消息', write: '输入消息', send: '发送',
    search: '搜索', chosen: '已选择的人', roomName: '名称', publicRoom: '公开：任何人都能找到并加入', invite: '邀请成员',
    leave: '退出聊天室', close: '关闭', ok: '确定', back: '返回聊天室列表', remove: '移除 {name}', add: '添加 {name}', kick: '移出聊天室',
    pending: '发送中…', sent: '已发送', read: '已读', failed: '发送失败', retry: '重试', nobody: '没有找到。', you: '我',
    unread: '{n} 条未读', online: '在线', offline: '离线', unknown: '在线状态未知', lastSeen: '最近在线：{t}', memberCount: '{n} 名成员', memberCount1: '1 名成员',
    typing1: '{a} 正在输入…', typing2: '{a} 和 {b} 正在输入…', typingMany: '多人正在输入…',
    today: '今天', yesterday: '昨天', newLine: '新消息', toNewest: '最新消息', newCount: '{n} 条新消息', newCount1: '1 条新消息',
    edit: '编辑', save: '保存', cancel: '取消', editing: '正在编辑一条消息。', reply: '回复', replying: '回复 {name}：', react: '添加回应', reactions: '回应',
    pin: '置顶', unpin: '取消置顶', pinned: '已置顶', pins: '置顶消息', noPins: '还没有置顶消息。', show: '查看', showOf: '查看“{text}”', unpinOf: '取消置顶“{text}”', notHere: '无法在此显示该消息。',
    recall: '撤回', recallSure: '消息将对所有人撤回，且无法恢复。', actionsOf: '对 {name} 的消息的操作：{text}', actionsOwn: '对自己的消息的操作：{text}', messageOf: '{name} 的消息', ownMessage: '我的消息',
    earlier: '较早的消息', saving: '保存中…', notChanged: '未更改：', dismiss: '忽略',
    edited: '已编辑', recalled: '消息已撤回', bytesUsed: '{n} / {max} 字节', bytesOver: '消息过长：{n} / {max} 字节。', tooLong: '消息过长。',
    connecting: '连接中…', waiting: '连接已断开，正在重试…', stopped: '连接已断开。', elsewhere: '该登录的连接过多，或已在别处打开。',
    sessionEnded: '登录已失效，请重新登录。', user: '用户 {id}', role_owner: '群主', role_admin: '管理员', role_member: '', resynced: '聊天室已重新加载。',
    sys_created: '{by} 创建了聊天室', sys_joined: '{users} 加入了聊天室', sys_added: '{by} 邀请 {users} 加入', sys_left: '{users} 退出了聊天室', sys_removed: '{by} 将 {users} 移出',
    sys_renamed: '{by} 将聊天室改名为“{name}”', sys_updated: '{by} 修改了聊天室资料', sys_role: '{by} 修改了 {users} 的角色', sys_owner: '{users} 成为群主',
    sys_muted: '{by} 禁言了 {users}', sys_unmuted: '{by} 解除了 {users} 的禁言', sys_dissolved: '{by} 解散了聊天室', sys_said: '{text}', sys_other: '聊天室有变动（{event}）',
    reason_left: '你已退出聊天室。', reason_kicked: '你已被移出聊天室。', reason_dissolved: '聊天室已解散。',
    err_unavailable: '暂时无法连接服务，请重试。', err_invalid: '填写的内容有误。', err_unauthenticated: '用户名或密码错误。',
    err_username_taken: '用户名已被使用。', err_email_taken: '邮箱已被使用。', err_rate_limited: '操作过于频繁，请稍候。', err_muted: '你已被禁言。',
    err_forbidden: '没有权限。', err_not_found: '未找到。', err_too_large: '消息过长。', err_room_full: '聊天室已满。', err_timeout: '等待超时。',
    err_conflict: '现在已无法这样做。', err_limit_reached: '已达到上限。', err_stopped: '没有连接。',
  },
};

let lang = 'en';

/** The current language, en or zh. */
export const language = () => lang;

/** The first of the wanted languages that there is, else English. */
export function choose(wanted) {
  return wanted.map((w) => w.slice(0, 2).toLowerCase()).find((w) => w in words) ?? 'en';
}

/** Sets the language and writes the page's fixed words. */
export function setLanguage(l, doc = document) {
  lang = l in words ? l : 'en';
  doc.documentElement.lang = lang === 'zh' ? 'zh-CN' : 'en';
  doc.title = t('app');
  for (const el of doc.querySelectorAll('[data-i18n]')) el.textContent = t(el.dataset.i18n);
  for (const el of doc.querySelectorAll('[data-i18n-label]')) el.setAttribute('aria-label', t(el.dataset.i18nLabel));
  for (const el of doc.querySelectorAll('[data-i18n-placeholder]')) el.setAttribute('placeholder', t(el.dataset.i18nPlaceholder));
}

/** A text that keeps its own direction, and leaves that of the words around it as it is. */
export const isolate = (text) => `\u2068${text}\u2069`;

/** A word with a number: that of one where there is one. */
export const count = (key, n) => t(n === 1 ? `${key}1` : key, { n });

/** A word with its places filled; has() tells whether it exists. */
export function t(key, values = {}) {
  return (words[lang][key] ?? words.en[key] ?? key).replace(/\{(\w+)\}/g, (_, k) => (values[k] && typeof values[k] === 'string' ? isolate(values[k]) : values[k] ?? ''));
}

export const has = (key) => key in words.en;

/** What to tell a person about a ChatError. */
export const explain = (err) => {
  const detail = err.errors?.map((e) => `${e.field}: ${e.message}`).join('; ');
  return (has(`err_${err.code}`) ? t(`err_${err.code}`) : err.message) + (detail ? ` ${detail}` : '');
};

/** A time of day for today, a date else. */
export function shortTime(iso, timeOnly = false) {
  const d = new Date(iso);
  if (Number.isNaN(d.getTime())) return '';
  const today = new Date().toDateString() === d.toDateString();
  return new Intl.DateTimeFormat(lang === 'zh' ? 'zh-CN' : 'en', today || timeOnly ? { timeStyle: 'short' } : { dateStyle: 'medium', timeStyle: 'short' }).format(d);
}

/** The day of a time, as a line between messages shows it; now tells what today is. */
export function dayName(iso, now = new Date()) {
  const d = new Date(iso);
  if (Number.isNaN(d.getTime())) return '';
  const days = Math.round((new Date(now).setHours(0, 0, 0, 0) - new Date(d).setHours(0, 0, 0, 0)) / 86_400_000);
  if (days === 0 || days === 1) return t(days ? 'yesterday' : 'today');
  return new Intl.DateTimeFormat(lang === 'zh' ? 'zh-CN' : 'en', { dateStyle: 'full' }).format(d);
}

export const languages = Object.keys(words);
export const keysOf = (l) => Object.keys(words[l]);
